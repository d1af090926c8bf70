"""`callers`: who called, accepted or refused, and how to let in who was refused."""

import json
import re
from collections.abc import Iterator, Sequence
from datetime import timedelta

import typer

from config.settings import Caller, Settings, as_caller
from config.sources import Sources
from console import json_views
from console.actions.served import former_aet
from console.cli.options import Config, Data, DatabaseUrl, Json, settings_from, sources_of
from console.cli.output import moment, print_json, print_list, say
from dicom_node.tally import EVERY
from domain.records import CallerRecord
from roles.database import reading
from store.queries.callers import known_callers

app = typer.Typer()

# PS3.8 table 9-21: rejected-permanent, by the service user, calling AE title not recognized; and the called one.
_UNKNOWN_CALLER, _UNKNOWN_CALLED = "1-1-3", "1-1-7"
_MANY, _NOBODY = "(further callers)", "(no AE title)"
_SHOWN = re.compile(r"\(sha256:([0-9a-f]{64})\)$")  # of dicom_node.tls.peers
_TABLE = re.compile(r"^[ \t]*\[\[[ \t]*listener[ \t]*\.[ \t]*callers[ \t]*\]\]", re.MULTILINE)
_SECTION = re.compile(r"^[ \t]*\[[ \t]*listener[ \t]*\]", re.MULTILINE)


@app.command()
def callers(data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False) -> None:
    """Who called, accepted or refused, and the lines that let in who was refused.

    Example:  dicom-node callers --data trial
    """
    settings = settings_from(config, data=data, database__url=database)
    sources = sources_of(config)
    with reading(settings) as source:
        found = known_callers(source)
    silent = [one for one in settings.listener.callers if not any(_is(one, known) for known in found)]
    if as_json:
        listed = [
            json_views.caller(one, _element(one, sources) if _is_kept_out(one, settings) else "") for one in found
        ]
        print_json({"callers": listed, "silent": [{"aet": one.aet, "address": one.address} for one in silent]})
        return
    rows = [_row(one) for one in found] + [(one.aet, one.address or "", 0, 0, "", "never", "") for one in silent]
    print_list(("caller", "address", "accepted", "refused", "studies", "last", "why"), rows, 0, "nobody has called yet")
    say(*_advice(found, settings, sources))


def _row(one: CallerRecord) -> tuple[object, ...]:
    last = max(filter(None, (one.last_accepted, one.last_refused)), default=None)
    doubt = "" if _is_refused_at_last(one) else " (or before it was accepted)"
    earlier = f"earlier: {one.reason}" if one.reason else ""
    why = f"{one.reason}{doubt}" if _may_be_refused_at_last(one) else earlier
    # What is no DICOM, and what TLS kept out, has an address and no AE title.
    named = one.calling_ae or (_NOBODY if one.address else _MANY)
    return named, one.address, one.accepted, one.refused, _sends(one), moment(last), why


def _sends(one: CallerRecord) -> str:
    """How its studies come, as far as they show: by that the node tells when the next one is complete."""
    pause = f", pauses of {one.pause:.0f} s within one" if one.pause >= 1 else ""
    return f"{one.studies}{pause}" if one.studies else ""


def _is_refused_at_last(one: CallerRecord) -> bool:
    """Whether the last that is known of it is a refusal: one that was let in meanwhile needs no advice.

    Refusals of the minute before an association are told after it, by their number.
    """
    if one.last_refused is None:
        return False
    return one.last_accepted is None or one.last_refused > one.last_accepted + timedelta(seconds=EVERY)


def _may_be_refused_at_last(one: CallerRecord) -> bool:
    """Within that minute nobody knows which came last: told with a doubt, for silence hides a scanner that is out."""
    if one.last_refused is None:
        return False
    return one.last_accepted is None or one.last_refused > one.last_accepted


def _is_kept_out(one: CallerRecord, settings: Settings) -> bool:
    """Whether it is refused as a stranger, and the settings do not name it, and could."""
    stranger = _may_be_refused_at_last(one) and one.refusal == _UNKNOWN_CALLER
    return (
        stranger
        and as_caller(one.calling_ae, one.address) is not None
        and not any(_is(named, one) for named in settings.listener.callers)
    )


def _is(named: Caller, one: CallerRecord) -> bool:
    """Whether the settings mean it by `named`; by what certificate it came, where that was not enough, counts too."""
    try:
        inside = named.is_within(one.address)
    except ValueError:
        return False
    shown = _fingerprint(one)
    return inside and named.aet == one.calling_ae and shown in {"", named.certificate}


def _fingerprint(one: CallerRecord) -> str:
    """Of the certificate that it showed when it was refused; "" without one."""
    found = _SHOWN.search(one.reason or "")
    return found[1] if found else ""


def _advice(found: Sequence[CallerRecord], settings: Settings, sources: Sources) -> Iterator[str]:
    former = former_aet(settings)
    if former:
        yield f"the node that runs answers to {former} until it is restarted: listener.aet says {settings.listener.aet}"
    out = [one for one in found if _is_kept_out(one, settings)]
    if out:
        where, lines = _letting_in(out, sources)
        yield f"To let in who is one of yours: add this {where}, then dicom-node reload"
        yield from ("", *lines, "")
    for one in found:
        if _is_refused_at_last(one) and one.refusal == _UNKNOWN_CALLER and not _is_kept_out(one, settings):
            yield f"{one.calling_ae} is in the settings: dicom-node reload, and have it call again"
        if _is_refused_at_last(one) and one.refusal == _UNKNOWN_CALLED and not former:
            yield f"{one.calling_ae} calls another AE title than {settings.listener.aet} (listener.aet): mend it there"


def _letting_in(out: Sequence[CallerRecord], sources: Sources) -> tuple[str, list[str]]:
    """Where in the settings file, and what: as the file already says it, for TOML has no list in two forms."""
    file = sources.file or "the settings file"
    each = [_element(one, sources) for one in out]
    if _TABLE.search(sources.text):
        return f"at the end of {file}", "\n\n".join(each).split("\n")
    members = [f"    {one}," for one in each]
    listener = sources.beneath.get("listener")
    if isinstance(listener, dict) and "callers" in listener:
        return f"behind the [ of callers = [...], under [listener] in {file}", members
    made = ["callers = [", *members, "]"]
    if _SECTION.search(sources.text):
        return f"below the line [listener] of {file}", made
    return f"at the end of {file}", ["[listener]", *made]


def _element(one: CallerRecord, sources: Sources) -> str:
    """TOML. What may be an AE title or an address has the same form in JSON."""
    shown = _fingerprint(one)
    aet, known = json.dumps(one.calling_ae), ("certificate", shown) if shown else ("address", one.address)
    proof = f"{known[0]} = {json.dumps(known[1])}"
    if _TABLE.search(sources.text):
        return f"[[listener.callers]]\naet = {aet}\n{proof}"
    return f"{{ aet = {aet}, {proof} }}"

"""`callers`: who called, accepted or refused, and how to let in who was refused."""

import json
from collections.abc import Iterable, Iterator
from datetime import timedelta
from ipaddress import ip_address, ip_network

import typer

from config.settings import Caller, Settings, as_caller
from console import json_views
from console.cli.options import Config, Data, DatabaseUrl, Json, settings_from
from console.cli.output import moment, print_json, print_list, say
from dicom_node.tally import EVERY
from domain.records import CallerRecord
from roles.database import reading
from store.queries.callers import known_callers

app = typer.Typer()

# PS3.8 table 9-21: rejected-permanent, by the service user, calling AE title not recognized; and the called one.
_UNKNOWN_CALLER, _UNKNOWN_CALLED = "1-1-3", "1-1-7"
_MANY = "(further callers)"


@app.command()
def callers(data: Data = None, config: Config = None, database: DatabaseUrl = None, as_json: Json = False) -> None:
    """Who called, accepted or refused, and the lines that let in who was refused.

    Example:  dicom-node callers --data trial
    """
    settings = settings_from(config, data=data, database__url=database)
    with reading(settings) as source:
        found = known_callers(source)
    silent = [one for one in settings.listener.callers if not any(_is(one, known) for known in found)]
    if as_json:
        listed = [json_views.caller(one, _lines(one) if _is_kept_out(one, settings) else "") for one in found]
        print_json({"callers": listed, "silent": [{"aet": one.aet, "address": one.address} for one in silent]})
        return
    rows = [_row(one) for one in found] + [(one.aet, one.address, 0, 0, "never", "") for one in silent]
    print_list(("caller", "address", "accepted", "refused", "last", "why"), rows, 0, "nobody has called yet")
    say(*_advice(found, settings))


def _row(one: CallerRecord) -> tuple[object, ...]:
    last = max(filter(None, (one.last_accepted, one.last_refused)), default=None)
    why = one.reason if _is_refused_at_last(one) else ""
    return one.calling_ae or _MANY, one.address, one.accepted, one.refused, moment(last), why


def _is_refused_at_last(one: CallerRecord) -> bool:
    """Whether the last that is known of it is a refusal: one that was let in meanwhile needs no advice.

    Refusals of the minute before an association are told after it, by their number.
    """
    if one.last_refused is None:
        return False
    return one.last_accepted is None or one.last_refused > one.last_accepted + timedelta(seconds=EVERY)


def _is_kept_out(one: CallerRecord, settings: Settings) -> bool:
    """Whether it is refused as a stranger, and the settings do not name it, and could."""
    stranger = _is_refused_at_last(one) and one.refusal == _UNKNOWN_CALLER
    return (
        stranger
        and as_caller(one.calling_ae, one.address) is not None
        and not any(_is(named, one) for named in settings.listener.callers)
    )


def _is(named: Caller, one: CallerRecord) -> bool:
    try:
        inside = ip_address(one.address) in ip_network(named.address, strict=False)
    except ValueError:
        return False
    return inside and named.aet == one.calling_ae


def _advice(found: Iterable[CallerRecord], settings: Settings) -> Iterator[str]:
    out = [one for one in found if _is_kept_out(one, settings)]
    if out:
        yield "To let in who is one of yours: add this to the settings file, then dicom-node reload"
        yield ""
        for one in out:
            yield from _lines(one).split("\n")
            yield ""
    for one in found:
        if _is_refused_at_last(one) and one.refusal == _UNKNOWN_CALLER and not _is_kept_out(one, settings):
            yield f"{one.calling_ae} is in the settings: dicom-node reload, and have it call again"
        if _is_refused_at_last(one) and one.refusal == _UNKNOWN_CALLED:
            yield f"{one.calling_ae} calls another AE title than {settings.listener.aet} (listener.aet): mend it there"


def _lines(one: CallerRecord) -> str:
    """TOML. What may be an AE title or an address has the same form in JSON."""
    return f"[[listener.callers]]\naet = {json.dumps(one.calling_ae)}\naddress = {json.dumps(one.address)}"

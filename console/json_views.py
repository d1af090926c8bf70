"""What scripts and other programs read: records as JSON. The one place where keys of JSON for people are made.

A record's fields are its keys. Ids become text, moments ISO 8601, and what a record lacks is null.
"""

import base64
import uuid
from collections.abc import Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from domain.json_records import Json, JsonObject
from domain.pauses import Held, Pause
from domain.profiles import Choice, Profile, ResultKind, choose
from domain.progress import Progress
from domain.records import BoundedDecision, CallerRecord, Listed, SeriesRecord, StudyPath, StudyRecord, StudySummary

if TYPE_CHECKING:  # a command that shows studies need not load what speaks to destinations
    from audit.proving import EntryProof
    from audit.verification import Conviction, TrailVerdict
    from consumers.destinations import ProfiledDestination
    from dicom_node.scu.probe import ProbeResult
    from domain.disk import Arrived, Free, TableUse, Use
    from domain.impressions import Facts, Impression
    from domain.people import User
    from domain.retention import Candidate, Removal, What
    from store.destinations import Context, SeenDestination
    from store.summaries import Summary
    from summary.writing import Attempt


def studies(
    found: Sequence[StudySummary],
    places: Sequence[Progress],
    more: int,
    aside: tuple[int, int],
    index_trouble: str,
    paused: Sequence[Pause] = (),
) -> JsonObject:
    """The overview: each study's own fields, what it waits for, and its place; `more` studies are not shown.

    `aside` is how many instances are in quarantine, and how many corrections wait; `index_trouble` why nothing that
    comes in is indexed at present, "" where it is; `paused` what a person holds back.
    """
    listed: list[Json] = [*study_entries(found, places)]
    quarantined, corrections = aside
    counts: JsonObject = {"more": more, "quarantined": quarantined, "corrections": corrections}
    return {"studies": listed, **counts, "index_trouble": index_trouble, "paused": plain(paused)}


def study_entries(found: Sequence[StudySummary], places: Sequence[Progress]) -> list[JsonObject]:
    """Each study of a list: its own fields, what it waits for, and its place."""
    return [
        {**_fields(one.study), **_fields(one, "study"), **_fields(place)}
        for one, place in zip(found, places, strict=True)
    ]


def path(study: StudyPath, place: Progress, index_trouble: str) -> JsonObject:
    """One study's place, then everything on its way, and `index_trouble` as of the overview."""
    return {**_fields(place), **_fields(study), "index_trouble": index_trouble}


def explanation(study: StudyRecord, series: Sequence[SeriesRecord], decisions: Sequence[BoundedDecision]) -> JsonObject:
    """What was decided of each model, with what it speaks of; `more` series were refused that are not shown."""
    models: list[Json] = [
        {**_fields(one.decision), "images_of": list(one.images_of), "more": one.more} for one in decisions
    ]
    return {"study": plain(study), "series": plain(series), "models": models}


def invited(user: "User", token: str, seconds: float) -> JsonObject:
    """A user, and the one-time token by which they set a password within so many seconds."""
    return {**_fields(user), "token": token, "holds_seconds": seconds}


def caller(one: CallerRecord, let_in_by: str) -> JsonObject:
    """Who called, and the lines of the settings that would let it in; "" where there are none to give."""
    return {**_fields(one), "let_in_by": let_in_by}


def listed(name: str, found: Listed[object]) -> JsonObject:
    """Records of one sort under its name, and how many more there are."""
    return {name: plain(found.rows), "more": found.more}


def disk(
    found: "Sequence[Use]", tables: "Sequence[TableUse]", came: "Arrived", systems: "Sequence[Free]", floor: int
) -> JsonObject:
    """What takes room, with the bytes a day that each kind grows by, and how long each file system lasts."""
    from domain.disk import growth  # noqa: PLC0415 - of one view alone

    kinds: list[Json] = [{**_fields(one, "system", "growing"), "growth": growth(one, came)} for one in found]
    return {
        "kinds": kinds,
        "systems": plain(systems),
        "tables": plain(tables),
        "arrived": plain(came),
        "floor": floor,
    }


def plan(
    removals: "Sequence[Removal]", kept: "Sequence[Candidate]", rows: "Mapping[What, int]", free_bytes: int
) -> JsonObject:
    """What retention would remove, with the cause of each, what stays and why, and rows by their table."""
    goes: list[Json] = [{**_fields(one.candidate, "kept"), "cause": one.cause.value} for one in removals]
    return {"free": free_bytes, "goes": goes, "stays": plain(kept), "rows": plain(rows)}


def summary(one: "Summary") -> JsonObject:
    """The impression of a study as it stands, with every fact; who wrote it is in `impression`."""
    return {**_fields(one, "findings_set", "sources"), "sources": plain(one.sources)}


def impression(facts: "Facts", made: "Impression") -> JsonObject:
    """Facts and what was written of them."""
    return {"facts": plain(facts), "impression": plain(made)}


def attempt(one: "Attempt") -> JsonObject:
    """What a language model answered, and what was wrong with it; what it was asked is `asked`, byte for byte."""
    from summary.providers.cache import payload  # noqa: PLC0415 - one command needs it

    asked = payload(one.asked).decode("ascii")
    return {"asked": asked, "answered": plain(one.answered), "fault": one.fault, "objections": plain(one.objections)}


def profiles(found: Sequence[Profile]) -> JsonObject:
    """The profiles as a settings file has them."""
    return {"profiles": plain(found)}


def record(one: object) -> JsonObject:
    """A record by itself."""
    return _fields(one)


def destination(
    one: "ProfiledDestination", seen: "SeenDestination | None", paused: Sequence[Pause] = (), *, configured: bool = True
) -> JsonObject:
    """A destination, what it was last seen to take, what it is sent, and the pause where it is paused."""
    known: JsonObject = {
        "configured": configured,
        "implementation": seen.implementation if seen else "",
        "seen_at": plain(seen.seen_at) if seen else None,
        "tried_at": plain(seen.tried_at) if seen else None,
        "error": seen.error if seen else "",
    }
    pause = next((each for each in paused if (each.kind, each.name) == (Held.DESTINATION, one.name)), None)
    return {**_described(one, seen.accepted if seen else None), **known, "paused": plain(pause)}


def answer(one: "ProfiledDestination", seen: "ProbeResult", not_kept: str) -> JsonObject:
    """What a destination answered just now, and why that was not kept, "" where it was."""
    accepted = None if seen.error else seen.accepted
    said: JsonObject = {"implementation": seen.implementation, "max_pdu": seen.max_pdu, "error": seen.error}
    return {**_described(one, accepted), **said, "kept": not not_kept, "why_not_kept": not_kept}


def plain(value: object) -> Json:
    """The form that JSON has for a value; raises TypeError where it has none."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str | uuid.UUID | datetime):
        return value.isoformat() if isinstance(value, datetime) else str(value)
    if isinstance(value, Set):
        return sorted(map(str, value))
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, Sequence):
        return [plain(one) for one in value]
    return _fields(value)


def _fields(record: object, *without: str) -> JsonObject:
    """A record's fields by their names."""
    if not is_dataclass(record):
        raise TypeError(f"{type(record).__name__} has no form in JSON")
    return {one.name: plain(getattr(record, one.name)) for one in fields(record) if one.name not in without}


def proof(one: "EntryProof") -> JsonObject:
    """An entry of the trail with its path to the root of a checkpoint, and that checkpoint."""
    return {
        "number": one.row.number,
        "entry": one.row.entry,
        "hash": one.row.hash.hex(),
        "proof": [base64.b64encode(step).decode() for step in one.path],
        "checkpoint": one.note,
        "cosignatures": list(one.cosignatures),
    }


def verdict(one: "TrailVerdict", places: Sequence[str]) -> JsonObject:
    """What was found of the whole trail; `places` are those outside whose checkpoints it was held against."""
    chain = one.chain
    return {
        "intact": one.intact,
        "checked": chain.checked,
        "bad": chain.bad,
        "reason": chain.reason,
        "head": chain.head.hex(),
        "beyond": chain.beyond,
        "breaks": chain.breaks,
        "root": one.root.hex(),
        "checkpoints": one.claims,
        "signed": one.newest,
        "signers": one.signers,
        "tiles": one.tiles,
        "archived": one.archived,
        "convictions": [_conviction(each) for each in one.convictions],
        "more_convictions": one.convicted - len(one.convictions),
        "not_reached": one.unreached,
        "places": list(places),
        "warnings": one.warnings,
    }


def _conviction(one: "Conviction") -> JsonObject:
    first, last = one.entries or (None, None)
    return {"where": one.where, "reason": one.reason, "first": first, "last": last}


def _described(one: "ProfiledDestination", accepted: "frozenset[Context] | None") -> JsonObject:
    return {
        "name": one.name,
        "address": one.destination.address,
        "profile": one.profile.name,
        "accepted": None if accepted is None else plain(sorted(accepted)),
        "choices": [_choice(each) for each in choose(one.profile, accepted, of=tuple(ResultKind))],
    }


def _choice(one: Choice) -> JsonObject:
    sop_class, transfer_syntax = one.form.context if one.form else (None, None)
    return {"kind": str(one.kind), "sop_class": sop_class, "transfer_syntax": transfer_syntax, "why": one.why}

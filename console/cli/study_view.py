"""A study as people see it in a terminal: the overview, the whole path of one, and why models ran or did not."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from console.cli.output import ago, moment, size, state, table
from domain.profiles import SOP_CLASSES, TRANSFER_SYNTAXES
from domain.progress import Progress

Record = Mapping[str, Any]
Path = Mapping[str, Any]
Look = Callable[[Record], Any]

_UNITS = {"[hnsf'U]": "HU"}  # UCUM codes that nobody reads as the unit that they are
_ID = 8  # characters of an internal id that people are shown; any unique beginning is accepted back


def overview(studies: Sequence[Record], places: Sequence[Progress], now: datetime) -> RenderableType:
    """One line a study."""
    rows = [
        (
            one["id"][:_ID],
            state(one["state"]),
            place.where,
            ago(place.since, now),
            place.why,
            one["series"] or 0,
            _instances(one),
            moment(one["last_received"]),
        )
        for one, place in zip(studies, places, strict=True)
    ]
    return table("", ("study", "state", "where", "since", "why", "series", "instances", "last received"), rows)


def whole_path(path: Path, place: Progress, now: datetime) -> Iterator[RenderableType]:
    """Where, since when and why in the first line; then what happened, step by step."""
    study = path["study"]
    headline = Text(place.where, style="bold")
    headline.append(f", since {moment(place.since)} ({ago(place.since, now)}): {place.why}", style="not bold")
    yield headline
    yield Text(f"study {study['id']}, {study['state']}, revision {study['revision']}")
    yield Text(f"StudyInstanceUID {study['study_uid']}")
    if path["unreadable"]:
        whole = path["unreadable"] + sum(one["instances"] or 0 for one in path["series"])
        yield Text(f"{path['unreadable']} of {whole} instances unreadable", style="red")
    for title, columns, rows in _sections(path):
        if rows:
            yield Text()
            yield table(title, columns, rows)


def explanation(study: Record, series: Sequence[Record], decisions: Sequence[Record]) -> Iterator[RenderableType]:
    """For each model a line that says whether it ran and why, and a line for each series that it did not want."""
    if not decisions:
        yield Text(f"No model has been asked: the study is {study['state']} ({study['reason']}).")
        return
    names = {one["id"]: _series_name(one) for one in series}
    for decision in decisions:
        chosen = list(decision["inputs"].values()) or [decision["series_id"]]
        series_names = " and ".join(names.get(one, "a series") for one in chosen)
        verdict = f"runs on {series_names}" if decision["series_id"] else "does not run"
        line = Text(f"{decision['model']} {decision['version']} ", style="bold")
        line.append(verdict, style="green" if decision["series_id"] else "yellow")
        line.append(f": {decision['reason']}", style="not bold")
        yield line
        for refused, reasons in decision["refusals"].items():
            yield Text(f"    not on {names.get(refused, 'a series')}: {'; '.join(reasons)}")


def form_name(sop_class: str, transfer_syntax: str) -> str:
    """A form in words: `Enhanced SR (Explicit)`."""
    return f"{SOP_CLASSES.get(sop_class, sop_class)} ({syntax_name(transfer_syntax)})"


def syntax_name(transfer_syntax: str) -> str:
    """A transfer syntax in a word or two."""
    return TRANSFER_SYNTAXES.get(transfer_syntax, transfer_syntax).removesuffix(" VR Little Endian")


def _sections(path: Path) -> Iterator[tuple[str, Sequence[str], Sequence[Sequence[Any]]]]:
    """Title, columns and rows of each table, in the order of the study's way."""
    for title, key, columns in _TABLES:
        yield title, [name for name, _ in columns], [[look(one) for _, look in columns] for one in path[key]]
        if key == "jobs":
            yield "measurements", ("model", "segment", "what", "value", "unit"), _measurements(path["jobs"])
        if key == "deliveries":
            yield "what each destination gets", ("to", "kind", "form", "why"), _choices(path["deliveries"])


def _measurements(jobs: Sequence[Record]) -> list[Sequence[Any]]:
    return [
        (job["model"], segment["segment"], one["name"], f"{one['value']:.1f}", _UNITS.get(one["unit"], one["unit"]))
        for job in jobs
        for segment in job["findings"] or ()
        for one in segment["measurements"]
    ]


def _instances(one: Record) -> str:
    """How many came and, where some of them cannot be read, how many those are."""
    readable, unreadable = one["instances"] or 0, one["unreadable"]
    return f"{readable + unreadable} ({unreadable} unreadable)" if unreadable else str(readable)


def _choices(deliveries: Sequence[Record]) -> list[Sequence[Any]]:
    return [
        (
            delivery["destination"],
            one["kind"],
            form_name(one["sop_class"], one["transfer_syntax"]) if one["sop_class"] else "-",
            one["why"],
        )
        for delivery in deliveries
        for one in delivery["choices"]
    ]


def _objects(delivery: Record) -> str:
    return "\n".join(f"{one['kind']}: {_answer(one)}" for one in delivery["objects"] if not one["dropped"])


def _answer(one: Record) -> str:
    status = "" if one["status"] is None else f" ({one['status']:04X})"
    return ("stored" if one["stored"] else "not stored") + status


def _series_name(one: Record) -> str:
    return f"{one['modality'] or 'series'} with {one['slices'] or 0} slices (...{one['series_uid'][-12:]})"


def _of(key: str, shown: Callable[[Any], Any] = lambda value: value) -> Look:
    """A cell: what stands under `key` in a row, as people are shown it."""
    return lambda one: shown(one[key])


# Title, where the rows stand in `status --json`, and each column with what is shown in it.
_TABLES: tuple[tuple[str, str, tuple[tuple[str, Look], ...]], ...] = (
    (
        "received from",
        "associations",
        (
            ("calling AE", _of("calling_ae")),
            ("address", _of("address")),
            ("from", _of("opened_at", moment)),
            ("to", _of("closed_at", moment)),
            ("ended", _of("outcome")),
        ),
    ),
    (
        "series",
        "series",
        (
            ("modality", _of("modality")),
            ("instances", _of("instances", lambda count: count or 0)),
            ("slices", _of("slices", lambda count: count or 0)),
            ("bytes", _of("bytes", lambda count: size(count or 0))),
            ("SeriesInstanceUID", _of("series_uid")),
        ),
    ),
    (
        "unreadable instances",
        "quarantine",
        (
            ("received", _of("received_at", moment)),
            ("reason", _of("reason")),
            ("SOP instance UID", _of("sop_uid")),
            ("object", _of("object_key")),
        ),
    ),
    (
        "conflicts: other bytes came under the same UID",
        "conflicts",
        (
            ("received", _of("received_at", moment)),
            ("SOP instance UID", _of("sop_uid")),
            ("object", _of("object_key")),
        ),
    ),
    (
        "models",
        "decisions",
        (
            ("model", _of("model")),
            ("version", _of("version")),
            ("decided", _of("decided_at", moment)),
            ("runs", _of("series_id", lambda series: "yes" if series else "no")),
            ("why", _of("reason")),
        ),
    ),
    (
        "inference",
        "jobs",
        (
            ("model", _of("model")),
            ("revision", _of("revision")),
            ("state", _of("state", state)),
            ("since", _of("since", moment)),
            ("attempts", _of("attempts")),
            ("reason", _of("reason")),
        ),
    ),
    (
        "results",
        "results",
        (
            ("kind", _of("kind")),
            ("bytes", _of("size", size)),
            ("written", _of("written_at", moment)),
            ("SOP instance UID", _of("sop_uid")),
        ),
    ),
    (
        "deliveries",
        "deliveries",
        (
            ("to", _of("destination")),
            ("state", _of("state", state)),
            ("since", _of("since", moment)),
            ("attempts", _of("attempts")),
            ("objects", _objects),
            ("reason", _of("reason")),
        ),
    ),
    (
        "dead letters",
        "dead_letters",
        (
            ("id", _of("id")),
            ("at", _of("at", moment)),
            ("reader", _of("reader")),
            ("error", _of("error")),
            ("replayed", _of("replayed_at", moment)),
        ),
    ),
)

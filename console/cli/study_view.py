"""A study as people see it in a terminal: the overview, the whole path of one, and why models ran or did not."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.console import RenderableType
from rich.text import Text

from console.cli.impression_state import standing
from console.cli.output import ago, and_more, moment, size, stacked, state, styled, table
from domain.conflict_records import ConflictGroup, ConflictRecord
from domain.identity import ConflictKind
from domain.ids import JobId
from domain.pauses import Pause
from domain.profiles import SOP_CLASSES, TRANSFER_SYNTAXES
from domain.progress import Progress
from domain.records import (
    BoundedDecision,
    ChoiceRecord,
    ItemisedDelivery,
    JobRecord,
    SeriesRecord,
    StudyPath,
    StudyRecord,
    StudySummary,
)
from domain.states import JobState, StudyState
from domain.statuses import outcome

_ID = 8  # characters of an internal id that people are shown; any unique beginning is accepted back


@dataclass(frozen=True)
class Section:
    """A table of the whole path; it is left out where it has no rows."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


_UNDER_WAY = frozenset((JobState.REQUESTED, JobState.LEASED, JobState.RUNNING))
_WIDE = 140  # columns of a screen on which a study has one line


def overview(
    studies: Sequence[StudySummary], places: Sequence[Progress], now: datetime, width: int = 200
) -> RenderableType:
    """One line a study; on a narrow screen what belongs together is below one another."""
    each = list(zip(studies, places, strict=True))
    if width < _WIDE:
        return table("", ("study", "images", "from", "where, since when and why"), [_narrow(*one, now) for one in each])
    columns = ("study", "state", "where", "since", "why", "modality", "from", "description", "images", "last received")
    return table("", columns, [_wide(*one, now) for one in each])


def _wide(one: StudySummary, place: Progress, now: datetime) -> Sequence[object]:
    return (
        str(one.study.id)[:_ID],
        state(one.study.state),
        place.where,
        ago(place.since, now),
        place.why,
        ", ".join(one.modalities),
        list(one.senders),
        one.description,
        f"{_instances(one)} in {one.series or 0} series",
        moment(one.study.last_received),
    )


def _narrow(one: StudySummary, place: Progress, now: datetime) -> Sequence[object]:
    where = styled(f"{place.where}, {ago(place.since, now)}: ", "bold").append_text(styled(place.why, "not bold"))
    if one.study.state is StudyState.STUCK:
        where = state(one.study.state).append_text(styled(f", {ago(place.since, now)}: {place.why}", "not bold"))
    if one.description:
        where.append("\n").append_text(styled(one.description, "dim"))
    images = [", ".join(one.modalities), f"{_instances(one)} in {one.series or 0} series"]
    return str(one.study.id)[:_ID], [line for line in images if line], [*one.senders, _short(one)], where


def _short(one: StudySummary) -> str:
    """When something of it last came, without the year: the newest are shown."""
    return moment(one.study.last_received)[5:16]


def paused(one: Pause) -> str:
    """What a person holds back, since when, by whom and why."""
    return f"{one.kind} {one.said}, since {moment(one.since)}"


def whole_path(
    path: StudyPath, place: Progress, now: datetime, most: int | None = None, *, summarised: bool = True
) -> Iterator[RenderableType]:
    """Where, since when and why in the first line; then what happened, step by step, of each table `most` rows.

    `summarised` says whether the node writes impressions.
    """
    study = path.study
    since = styled(f", since {moment(place.since)} ({ago(place.since, now)}): {place.why}", "not bold")
    yield styled(place.where, "bold").append_text(since)
    yield styled(f"study {study.id}, {study.state}, revision {study.revision}")
    yield styled(f"StudyInstanceUID {study.study_uid}")
    if study.completeness:
        yield styled(f"complete the last time because {study.completeness}")
    if study.lacks:
        yield styled(f"{study.lacks}; the last image came at {moment(study.last_received)}", "yellow")
    if study.images_removed:
        yield styled(images_gone(study), "yellow")
    if path.hold:
        yield styled(f"held since {moment(path.hold.since)} by {path.hold.held_by}: {path.hold.reason}", "yellow")
    if said := _impression(path, summarised):
        yield styled(said)
    if path.unreadable:
        yield styled(f"{path.unreadable} of {path.unreadable + path.whole} instances unreadable", "red")
    yield from _corrections(path)
    for name, make in _SECTIONS.items():
        section = make(path)
        if section.rows:
            shown = section.rows[: most or None]
            more = path.more.get(name, 0) + len(section.rows) - len(shown)
            yield styled("")
            yield table(section.title, section.columns, shown)
            yield from [and_more(more, "--all")] if more else []


def _impression(path: StudyPath, summarised: bool) -> str:
    """Where the study's impression stands, and whether another is to come; "" where neither is known."""
    one = path.impression
    own = [each for each in path.deliveries if one and each.summary_id == one.id]
    stands = [standing(one), *(f"{each.state} at {each.destination}" for each in own)] if one else []
    present = [each.state for each in path.jobs if each.revision == path.study.revision]
    if summarised and _UNDER_WAY.intersection(present):
        stands.append(f"{'another' if one else 'an'} impression is written when its models have ended")
    return "; ".join(stands)


def _corrections(path: StudyPath) -> Iterator[Text]:
    """What waits for a person who says whose images these are."""
    for one in path.corrections:
        here = one.study_id == path.study.id
        whose = "of this study" if here else f"of study {str(one.study_id)[:_ID]}"
        named = f"{one.kind}, {str(one.sent_study_id)[:_ID]}" if one.kind is ConflictKind.STUDY else one.kind
        said = f"a correction of {one.images} images {whose} waits ({named}): dicom-node conflicts adopt {one.id}"
        yield styled(said, "red")


def images_gone(study: StudyRecord) -> str:
    """That retention removed images of a study, and what that means."""
    number = f"{study.images_removed} image{'s' * (study.images_removed > 1)}"
    said = f"{number} of it were removed by retention, the last at {moment(study.images_removed_at)}"
    return f"{said}: what comes again is taken as new"


def explanation(
    study: StudyRecord, series: Sequence[SeriesRecord], decisions: Sequence[BoundedDecision]
) -> Iterator[RenderableType]:
    """For each model a line that says whether it ran and why; for each series that it did not want, every reason.

    A series is named as in the reasons, by its number, and by the end of its UID where numbers repeat or are not known.
    """
    if study.images_removed:
        yield styled(images_gone(study), "yellow")
    if not decisions:
        yield styled(f"No model has been asked: the study is {study.state} ({study.reason}).")
    names = {str(one.id): _series_name(one) for one in series}
    for one in decisions:
        yield _verdict(one, names)
        yield from _refusals(one, series, names)
        if one.more:
            yield styled(f"    and {one.more} more series (--all)", "dim")


def _verdict(one: BoundedDecision, names: Mapping[str, str]) -> Text:
    decision = one.decision
    runs_on = " and ".join(names.get(series, "a series") for series in one.chosen)
    line = styled(f"{decision.model} {decision.version} ", "bold")
    line.append_text(styled(f"runs on {runs_on}" if runs_on else "does not run", "green" if runs_on else "yellow"))
    return line.append_text(styled(f": {decision.reason}", "not bold"))


def _refusals(one: BoundedDecision, series: Sequence[SeriesRecord], names: Mapping[str, str]) -> Iterator[Text]:
    """In the order of the series' numbers."""
    for ident in (str(each.id) for each in series):
        if reasons := one.decision.refusals.get(ident):
            without = "without some images of" if ident in one.chosen else "not on"
            yield _refusal(f"{without} {names[ident]}", reasons)


def _refusal(series: str, reasons: Sequence[str]) -> Text:
    """A single reason beside the series, several below it."""
    if len(reasons) == 1:
        return styled(f"    {series}: {reasons[0]}")
    return stacked([f"    {series}:", *(f"{' ' * 8}{one}" for one in reasons)])


def form_name(sop_class: str, transfer_syntax: str) -> str:
    """A form in words: `Enhanced SR (Explicit)`."""
    return f"{SOP_CLASSES.get(sop_class, sop_class)} ({syntax_name(transfer_syntax)})"


def syntax_name(transfer_syntax: str) -> str:
    """A transfer syntax in a word or two."""
    return TRANSFER_SYNTAXES.get(transfer_syntax, transfer_syntax).removesuffix(" VR Little Endian")


def _associations(path: StudyPath) -> Section:
    columns = ("calling AE", "address", "from", "to", "ended")
    rows = [
        (one.calling_ae, one.address, moment(one.opened_at), moment(one.closed_at), one.outcome)
        for one in path.associations
    ]
    return Section("received from", columns, rows)


def _series(path: StudyPath) -> Section:
    columns = ("number", "modality", "instances", "slices", "bytes", "SeriesInstanceUID")
    rows = [
        (*_number_and_modality(one), one.instances or 0, one.slices or 0, size(one.bytes or 0), one.series_uid)
        for one in path.series
    ]
    return Section("series", columns, rows)


def _quarantine(path: StudyPath) -> Section:
    columns = ("received", "reason", "SOP instance UID", "object")
    rows = [(moment(one.received_at), one.reason, one.sop_uid, one.object_key) for one in path.quarantine]
    return Section("instances in quarantine", columns, rows)


def _conflicts(path: StudyPath) -> Section:
    rows = [conflict(one) for one in path.conflicts]
    return Section("conflicts: other bytes came under the same UID", CONFLICT, rows)


CONFLICT = ("id", "received", "what", "images", "instance in study", "names study", "SOP instance UID", "object")


def conflict(one: ConflictRecord | ConflictGroup) -> tuple[object, ...]:
    """A row of `CONFLICT`."""
    images = _images(one) if isinstance(one, ConflictGroup) else "1"
    what = one.kind if one.adopted_at is None else f"{one.kind}, replaced {moment(one.adopted_at)}"
    studies = (str(one.study_id)[:_ID], str(one.sent_study_id or "-")[:_ID])
    return one.id, moment(one.received_at), what, images, *studies, one.sop_uid, one.object_key


def _images(one: ConflictGroup) -> str:
    """How many, and where some have several contents, how many of these there are (`conflicts list --each`)."""
    return str(one.images) if one.contents == one.images else f"{one.images} ({one.contents} contents: --each)"


def _decisions(path: StudyPath) -> Section:
    columns = ("model", "version", "decided", "runs", "why")
    rows = [
        (one.model, one.version, moment(one.decided_at), "yes" if one.series_id else "no", one.reason)
        for one in path.decisions
    ]
    return Section("models", columns, rows)


def _jobs(path: StudyPath) -> Section:
    columns = ("model", "revision", "result", "state", "since", "attempts", "reason")
    rows = [
        (one.model, one.revision, _result(one, path), state(one.state), moment(one.since), one.attempts, _reason(one))
        for one in path.jobs
    ]
    return Section("inference", columns, rows)


def _reason(one: JobRecord) -> str:
    return f"{one.reason}; started early: {one.started_early}" if one.started_early else one.reason


def _result(one: JobRecord, path: StudyPath) -> str:
    """Which of the study's results by this model it gave, and whether they still count."""
    number = "-" if one.result_number is None else str(one.result_number)
    if one.withdrawn_at:
        return f"{number}, withdrawn"
    later = any(each.model == one.model and (each.result_number or 0) > (one.result_number or 0) for each in path.jobs)
    return f"{number}, superseded" if one.result_number is not None and later else number


def _measurements(path: StudyPath) -> Section:
    columns = ("model", "result", "segment", "what", "value")
    rows = [
        (job.model, _result(job, path), segment.segment, one.what, one.said)
        for job in path.jobs
        for segment in job.findings or ()
        for one in segment.measurements
    ]
    return Section("measurements", columns, rows)


def _results(path: StudyPath) -> Section:
    columns = ("model", "result", "kind", "bytes", "written", "SOP instance UID")
    rows = [
        (*_of_job(one.job_id, path), one.kind, size(one.size), moment(one.written_at), one.sop_uid)
        for one in path.results
    ]
    return Section("results", columns, rows)


def _of_job(job: JobId | None, path: StudyPath) -> tuple[str, str]:
    """Model and result of a job; dashes where it is not among those shown. What is of none is an impression's."""
    if job is None:
        return "(impression)", "-"
    return next(((one.model, _result(one, path)) for one in path.jobs if one.id == job), ("-", "-"))


def _deliveries(path: StudyPath) -> Section:
    columns = ("to", "model", "result", "state", "since", "attempts", "objects", "reason")
    rows = [(one.destination, *_of_job(one.job_id, path), *_delivered(one)) for one in path.deliveries]
    return Section("deliveries", columns, rows)


def _delivered(one: ItemisedDelivery) -> tuple[object, ...]:
    return state(one.state), moment(one.since), one.attempts, _objects(one), one.reason


def _choices(path: StudyPath) -> Section:
    columns = ("to", "model", "kind", "form", "why")
    rows = [
        (delivery.destination, _of_job(delivery.job_id, path)[0], one.kind, _form(one), one.why)
        for delivery in path.deliveries
        for one in delivery.choices
    ]
    return Section("what each destination gets", columns, rows)


def _rejections(path: StudyPath) -> Section:
    columns = ("to", "state", "since", "attempts", "for", "reason", "SOP instance UID")
    rows = [
        (one.destination, state(one.state), moment(one.since), one.attempts, one.cause, one.reason, one.sop_uid)
        for one in path.rejections
    ]
    return Section("rejection notes: what is out there counts no more", columns, rows)


def _dead_letters(path: StudyPath) -> Section:
    columns = ("id", "at", "reader", "error", "replayed")
    rows = [(one.id, moment(one.at), one.reader, one.error, moment(one.replayed_at)) for one in path.dead_letters]
    return Section("dead letters", columns, rows)


def _steps(path: StudyPath) -> Section:
    rows = [
        (one.state, one.instances, moment(one.begun_at), moment(one.ended_at) if one.ended_at else "-")
        for one in path.steps
    ]
    return Section("procedure steps", ("state", "images that it lists", "begun", "ended"), rows)


def _requests(path: StudyPath) -> Section:
    rows = [
        (one.source, list(one.codes) if one.known else "knows nothing of it", moment(one.at)) for one in path.requests
    ]
    return Section("requested procedures", ("said by", "codes", "at"), rows)


# By the name of their table, in the order of the study's way.
_SECTIONS: Mapping[str, Callable[[StudyPath], Section]] = {
    "associations": _associations,
    "steps": _steps,
    "requests": _requests,
    "series": _series,
    "quarantine": _quarantine,
    "conflicts": _conflicts,
    "decisions": _decisions,
    "jobs": _jobs,
    "measurements": _measurements,
    "results": _results,
    "deliveries": _deliveries,
    "choices": _choices,
    "rejections": _rejections,
    "dead_letters": _dead_letters,
}


def _instances(one: StudySummary) -> str:
    """How many came and, where some of them cannot be read, how many those are."""
    readable = one.instances or 0
    if one.study.images_removed and not readable:
        return f"0 ({one.study.images_removed} removed)"
    return f"{readable + one.unreadable} ({one.unreadable} unreadable)" if one.unreadable else str(readable)


def _form(choice: ChoiceRecord) -> str:
    return form_name(choice.sop_class, choice.transfer_syntax) if choice.sop_class and choice.transfer_syntax else "-"


def _objects(delivery: ItemisedDelivery) -> list[str]:
    return [f"{one.kind}: {outcome(one.status, one.stored)}" for one in delivery.objects if not one.dropped]


def _number_and_modality(one: SeriesRecord) -> tuple[object, str]:
    return "-" if one.number is None else one.number, one.modality


def _series_name(one: SeriesRecord) -> str:
    """`series 3 (CT, 120 slices, ...123.45)`, as the reasons number it."""
    number = "a series" if one.number is None else f"series {one.number}"
    images = f"{one.slices or 0} image{'s' * (one.slices != 1)}"
    return f"{number} ({one.modality or 'no modality'}, {images}, ...{one.series_uid[-12:]})"

"""Earlier studies of the same patient: which a model compares with, and which of an archive's are asked for. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date

from domain.json_records import JsonObject, record


@dataclass(frozen=True)
class Wanted:
    """What a package compares with: series of these modalities and parts of the body, of the `newest` earlier studies
    that are no more than `within_days` old. No modality or part means any.
    """

    modality: tuple[str, ...] = ()
    body_part: tuple[str, ...] = ()
    newest: int = 1
    within_days: int = 3650

    def to_json(self) -> JsonObject:
        """Plain JSON; `of_json` is its inverse."""
        return asdict(self)


@dataclass(frozen=True)
class EarlierChoice:
    """What a model compares with: of revision `revision` of `study` the series by input, and the SOP Instance UIDs of
    an input that does not read all of it. `said` is how long before it was, in the words of a band.
    """

    study: str
    said: str
    revision: int
    inputs: Mapping[str, str]
    images: Mapping[str, tuple[str, ...]]

    def to_json(self) -> JsonObject:
        """Plain JSON; `choice_of_json` is its inverse."""
        return asdict(self)


@dataclass(frozen=True)
class Candidate:
    """A study of the patient's that an archive named; `date` is its Study Date as `YYYYMMDD`."""

    uid: str
    date: str
    modalities: frozenset[str] = frozenset()


def of_json(data: JsonObject) -> Wanted:
    """The wish that `to_json` wrote; raises ValueError where it is none."""
    return record(Wanted, data)


def choice_of_json(data: JsonObject) -> EarlierChoice:
    """The choice that `to_json` wrote; raises ValueError where it is none."""
    return record(EarlierChoice, data)


def together(wanted: Mapping[str, Wanted]) -> Wanted:
    """One wish that holds those of several models: they share what is fetched."""
    every = list(wanted.values())
    return Wanted(
        _any_of([one.modality for one in every]),
        _any_of([one.body_part for one in every]),
        max((one.newest for one in every), default=0),
        max((one.within_days for one in every), default=0),
    )


def earlier(candidates: Sequence[Candidate], study_uid: str, study_date: str, wanted: Wanted) -> list[Candidate]:
    """The candidates that may be compared with the study `study_uid` of `study_date`, the newest first.

    Which of two studies of one day was first nobody knows: they are not compared (decision 33). A study whose
    modalities the archive does not say may have the right one.
    """
    day = _day(study_date)
    if day is None:
        return []
    with_age = [(day - then, one) for one in candidates if (then := _day(one.date)) is not None]
    fitting = [
        (age, one)
        for age, one in with_age
        if 0 < age <= wanted.within_days and one.uid != study_uid and _may_have(one.modalities, wanted.modality)
    ]
    return [one for _, one in sorted(fitting, key=lambda pair: (pair[0], pair[1].uid))]


def may_be_read(modality: str, body_part: str, wanted: Wanted) -> bool:
    """Whether a series of that modality and part may be what is wanted; what an archive does not say may be right."""
    return _may_have({modality} - {""}, wanted.modality) and _may_have({body_part.upper()} - {""}, wanted.body_part)


def _may_have(stated: Collection[str], wanted: Collection[str]) -> bool:
    return not stated or not wanted or not set(wanted).isdisjoint(stated)


def _any_of(every: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    if not all(every):
        return ()
    return tuple(dict.fromkeys(one for some in every for one in some))


def _day(text: str) -> int | None:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8])).toordinal() if len(text) == 8 else None
    except ValueError:
        return None

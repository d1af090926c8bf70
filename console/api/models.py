"""Answers as the document shows them: the domain's own records, field by field, as `console.json_views` has them.

What is sent is `json_views`' word; a test holds it against these.
"""

from collections.abc import Collection
from dataclasses import fields
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.config import JsonDict

from domain.progress import Progress
from domain.records import DecisionRecord, SeriesRecord, StudyPath, StudyRecord, StudySummary
from store.queries.results import ResultDetail


class Answered(BaseModel):
    """What every answer is: these keys and no others."""

    model_config = ConfigDict(extra="forbid")


def shown(example: JsonDict) -> type[Answered]:
    """What an answer is that the document shows with this example."""

    class Shown(Answered):
        model_config = ConfigDict(json_schema_extra={"examples": [example]})

    return Shown


def of_records(
    name: str,
    about: str,
    *records: type,
    without: Collection[str] = (),
    example: JsonDict | None = None,
    **more: Any,
) -> type[BaseModel]:
    """A model with the fields of all `records`, and `more` of its own (a type each)."""
    found: dict[str, Any] = {}
    for record in records:
        hints = get_type_hints(record)
        found |= {one.name: (hints[one.name], ...) for one in fields(record) if one.name not in without}
    found |= {key: kind if isinstance(kind, tuple) else (kind, ...) for key, kind in more.items()}
    made = create_model(name, __base__=shown(example) if example else Answered, **found)
    made.__doc__ = about
    return made


StudyEntry = of_records(
    "StudyEntry", "A study of a list, and where it is.", StudyRecord, StudySummary, Progress, without=("study",)
)
PathAnswer = of_records("PathAnswer", "Everything on a study's way.", Progress, StudyPath, index_trouble=str)
ModelDecision = of_records(
    "ModelDecision", "Whether a model runs on a study, and why.", DecisionRecord, images_of=list[str], more=int
)


class StudyPage(Answered):
    """A page of studies, the newest first."""

    studies: list[StudyEntry]  # type: ignore[valid-type]
    next: str | None = Field(description="the cursor of the next page; null after the last one")


class ExplanationAnswer(Answered):
    """For every model, why it ran on a study or why not."""

    study: StudyRecord
    series: list[SeriesRecord]
    models: list[ModelDecision]  # type: ignore[valid-type]


ResultAnswer = of_records("ResultAnswer", "A result object, and what it is of.", ResultDetail)


class ResultPage(Answered):
    """A page of results, the newest first."""

    results: list[ResultAnswer]  # type: ignore[valid-type]
    next: str | None = Field(description="the cursor of the next page; null after the last one")

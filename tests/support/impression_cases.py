"""An impression of what two models found in one study, with everything that a sentence can rest on."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from uuid import UUID

from domain.editions import FIRST, Edition
from domain.ids import JobId
from domain.impressions import (
    Amount,
    Author,
    Caution,
    Change,
    Fact,
    Facts,
    FactSource,
    Impression,
    Interval,
    LanguageModel,
    Part,
    Presence,
    ScoreBand,
    Sentence,
    Topic,
)
from domain.profiles import ResultFormat, ResultKind, every_form
from sr_writer.content import Predecessor
from sr_writer.impressions.content import Run, WrittenResult
from sr_writer.impressions.results import write
from sr_writer.results import ResultObject
from tests.support import result_cases
from tests.support.findings import (
    CARDIOMEGALY,
    LEFT,
    LUNG,
    MOMENT,
    PNEUMONIA,
    RIGHT,
    classified,
    measured,
)
from tests.support.result_cases import DIAMETER, MM, NODULE
from tests.support.result_files import usual

FIRST_JOB, SECOND_JOB = (JobId(UUID(int=one)) for one in (1, 2))
LUNGS_MODEL, CHEST_MODEL = "Lungs in chest CT", "Findings in chest radiographs"
# In which forms the runs of a study whose destination takes everything are written.
CODED = (ResultKind.SR_REGIONS, ResultKind.SR, ResultKind.SR_LIKELIHOODS)
REPORTS = (usual(ResultKind.SEG), usual(ResultKind.SR_REGIONS), usual(ResultKind.SR), usual(ResultKind.SR_LIKELIHOODS))

FACTS = Facts(
    facts=(
        Fact(
            "F1", NODULE, "Nodule, lower", Presence.PRESENT, LUNGS_MODEL, LUNG, LEFT,
            (Amount(result_cases.regions([(48, 40)] * 5)[2].measurements[1], "14 mm"),),
            changes=(Change(DIAMETER, 1.5, MM, "+1.5 mm", Interval.HALF_YEAR),),
        ),
        Fact(
            "F2", PNEUMONIA, "Pneumonia", Presence.PRESENT, LUNGS_MODEL, LUNG, RIGHT, score=ScoreBand.HIGHEST,
            cautions=(Caution.DEMONSTRATION, Caution.INTERPOLATED),
        ),
        Fact("F3", CARDIOMEGALY, "Cardiomegaly", Presence.ABSENT, CHEST_MODEL, score=ScoreBand.LOWEST, count=5),
        Fact(
            "F4", LUNG, "Right lung", Presence.MEASURED, LUNGS_MODEL, LUNG, RIGHT,
            (Amount(measured(2534.7189, -812.34)[0], "2530 ml"),),
        ),
        Fact(
            "F5", LUNG, "Left lung", Presence.MEASURED, LUNGS_MODEL, LUNG, LEFT,
            (Amount(measured(2210.5, -805.0)[0], "2210 ml"),),
        ),
    ),
    modality="CT",
    body_part="chest",
    age="60 to 69",
    unread=1,
)  # fmt: skip
SOURCES = (
    FactSource("F1", FIRST_JOB, Part.REGION, 2),
    FactSource("F2", FIRST_JOB, Part.REGION, 1),
    *(FactSource("F3", SECOND_JOB, Part.LIKELIHOOD, 2 * one + 1) for one in range(5)),
    FactSource("F4", FIRST_JOB, Part.SEGMENT, 0),
    FactSource("F5", FIRST_JOB, Part.SEGMENT, 1),
)
SENTENCES = (
    Sentence("Pneumonia in the right lung, with a high score.", ("F2",)),
    Sentence("One nodule in the left lung, 14 mm in diameter, 1.5 mm more than earlier.", ("F1",), Topic.CHANGE),
    Sentence("Cardiomegaly was looked for and is not reported.", ("F3",), Topic.NEGATIVE),
    Sentence("The right lung measures 2530 ml and the left lung 2210 ml.", ("F4", "F5"), Topic.MEASUREMENT),
    Sentence(
        "Fleischner 2017 applies to solid nodules; whether the nodule is solid is not in the findings.",
        ("F1",), Topic.GUIDELINE, "Fleischner Society 2017 (Radiology 2017;284:228-243), table 1",
    ),
    Sentence("The findings are those of demonstration models, not for clinical use.", ("F2",), Topic.CAUTION),
)  # fmt: skip
BY_TEMPLATE = Impression(SENTENCES, Author.TEMPLATE, "template 1")
BY_MODEL = replace(
    BY_TEMPLATE,
    author=Author.LANGUAGE_MODEL,
    checker="1",
    language_model=LanguageModel("ward server", "SmolLM2-135M-Instruct", "3"),
)


@dataclass(frozen=True, eq=False)
class Study:
    """Two runs on the same images; `files` are the results of the first, by kind."""

    runs: tuple[Run, ...]
    made: tuple[ResultObject, ...]

    @property
    def source(self) -> Path:
        """One file of the source."""
        return self.runs[0].files[0]

    def results(
        self,
        forms: Collection[ResultFormat],
        impression: Impression = BY_TEMPLATE,
        facts: Facts = FACTS,
        sources: Sequence[FactSource] = SOURCES,
        moment: datetime = MOMENT,
        edition: Edition = FIRST,
        predecessors: Sequence[Predecessor] = (),
    ) -> tuple[ResultObject, ...]:
        """The impression in `forms`."""
        return write(impression, facts, sources, self.runs, forms, moment, edition, predecessors)


def study(folder: Path) -> Study:
    """The study, its images written into `folder`."""
    first = result_cases.everything(folder)
    second = result_cases.Run(classified(first.paths), None, first.paths)
    second = replace(second, findings=replace(second.findings, maps=()))
    runs: list[Run] = []
    made: list[ResultObject] = []
    for job, one in ((FIRST_JOB, first), (SECOND_JOB, second)):
        objects = one.results(REPORTS, predecessors=())
        made += objects
        runs.append(Run(job, one.findings, one.paths, tuple(map(_written, objects))))
    return Study(tuple(runs), tuple(made))


def _written(one: ResultObject) -> WrittenResult:
    return WrittenResult(one.form, one.sop_instance_uid, one.series_instance_uid)


def forms() -> list[ResultFormat]:
    """Every form of an impression; those of reports refer to reports."""
    refers = "+".join(one.name for one in REPORTS[1:])
    every = [one for one in every_form() if one.kind is ResultKind.IMPRESSION]
    return [replace(one, refers=refers) if ".88." in one.sop_class else one for one in every]


def form(sop_class: str) -> ResultFormat:
    """The preferred form of an impression of this SOP class."""
    return next(one for one in forms() if one.sop_class == sop_class)

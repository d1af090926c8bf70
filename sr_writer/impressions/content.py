"""What every object of a study's impression is made from: its sentences beside the runs that they rest on."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from domain.editions import FIRST, Edition
from domain.errors import IntegrityError
from domain.findings import Findings, ModelIdentity
from domain.ids import JobId, derived_uid, set_digest
from domain.impressions import Author, Fact, Facts, FactSource, Impression, Part, Sentence
from domain.profiles import ResultFormat, ResultKind
from sr_writer.content import Content, Predecessor
from sr_writer.inputs import OtherInput
from sr_writer.provenance import Provenance, moment_in, provenance_of
from sr_writer.reports.groups import Tracked, tracked_likelihood, tracked_segment
from sr_writer.reports.regions import checked, tracked_region
from sr_writer.requests import referenced_requests
from sr_writer.source import read_source

_TITLE = "Study impression"
_TEMPLATE, _MAKER = "impression template", "DICOM Node project"
_TRACKED = {Part.SEGMENT: tracked_segment, Part.REGION: tracked_region, Part.LIKELIHOOD: tracked_likelihood}
# In which report of a run a part of its findings stands, the first that was written.
_REPORTS: Mapping[Part, Sequence[ResultKind]] = {
    Part.SEGMENT: (ResultKind.SR,),
    Part.REGION: (ResultKind.SR_REGIONS,),
    Part.LIKELIHOOD: (ResultKind.SR_LIKELIHOODS, ResultKind.SR),
}


@dataclass(frozen=True)
class WrittenResult:
    """One result object of a run, in one form."""

    form: ResultFormat
    sop_instance_uid: str
    series_instance_uid: str


@dataclass(frozen=True)
class Run:
    """One model's part in the study: its findings as its results were written from, and all of these.

    `files` are Part 10 files that hold all frames of `findings.frames`.
    """

    job: JobId
    findings: Findings
    files: Sequence[Path]
    written: Sequence[WrittenResult] = ()


@dataclass(frozen=True, eq=False)
class ReadRun:
    """A run beside its images."""

    run: Run
    content: Content

    def report_of(self, part: Part, form: ResultFormat) -> WrittenResult | None:
        """The report that says this part of the findings where an impression goes in `form`; None where none does."""
        kinds = {one.form.kind for one in self.run.written}
        kind = next((one for one in _REPORTS[part] if one in kinds), None)
        reports = [one for one in self.run.written if one.form.kind is kind]
        named = [one for one in reports if one.form.name in form.referred]
        instead = [one for one in reports if any(map(one.form.stands_for, form.referred))]
        return next(iter(named or instead), None)


@dataclass(frozen=True, eq=False)
class Cited:
    """A part of a run's findings that a fact was taken from: how it is tracked, with its numbers, and in which report.

    `report` is None where the destination gets no report that says it.
    """

    tracked: Tracked
    report: WrittenResult | None


@dataclass(frozen=True, eq=False)
class ImpressionContent:
    """An impression, its facts, and the runs that these are of.

    `content` is what the modules that write objects of a run ask for: the impression's author in place of a model, on
    the images of all runs.
    """

    impression: Impression
    facts: Facts
    sources: Sequence[FactSource]
    runs: Sequence[ReadRun]
    content: Content

    def cited(self, sentence: Sentence) -> Iterator[Fact]:
        """The facts that a sentence rests on; raises IntegrityError where there is no such fact."""
        known = self.facts.by_id()
        for one in sentence.facts:
            if one not in known:
                raise IntegrityError(f"a sentence rests on {one}, and there is no such fact")
            yield known[one]

    def parts(self, fact: Fact, form: ResultFormat) -> Iterator[Cited]:
        """What a fact was taken from; raises IntegrityError where that is not in the findings."""
        runs = {one.run.job: one for one in self.runs}
        for source in self.sources:
            if source.fact == fact.id:
                run = runs.get(source.job)
                if run is None or not 0 <= source.index < _count(run.run.findings, source.part):
                    raise IntegrityError(f"{fact.id} was taken from {source.part} {source.index}, which is not there")
                yield Cited(_TRACKED[source.part](run.content, source.index), run.report_of(source.part, form))


def _count(findings: Findings, part: Part) -> int:
    parts = {Part.SEGMENT: findings.segments, Part.REGION: findings.regions, Part.LIKELIHOOD: findings.likelihoods}
    return len(parts[part])


def impression_content(
    impression: Impression,
    facts: Facts,
    sources: Sequence[FactSource],
    runs: Sequence[Run],
    moment: datetime,
    edition: Edition = FIRST,
    predecessors: Sequence[Predecessor] = (),
    requests: Sequence[Path] = (),
) -> ImpressionContent:
    """Everything read, the runs in an order of their own.

    Raises IntegrityError without a sentence or a run, or where runs are of several studies; else as `read_source`.
    """
    if not impression.sentences or not runs:
        raise IntegrityError("an impression needs a sentence, and a run that has findings")
    ordered = sorted(
        runs, key=lambda one: (one.findings.model.name, one.findings.model.digest, one.findings.input_digest)
    )
    read = [_read(one, moment) for one in ordered]
    if len({one.content.source.study_uid for one in read}) > 1:
        raise IntegrityError("the runs of an impression are of several studies")
    return ImpressionContent(
        impression, facts, sources, read, _content(impression, facts, read, moment, edition, predecessors, requests)
    )


def _read(run: Run, moment: datetime) -> ReadRun:
    findings = run.findings
    source = read_source(run.files, findings.frames, volumetric=findings.mask is not None)
    stamp, regions = provenance_of(findings, source, moment), checked(findings.regions, source)
    return ReadRun(run, Content(findings, source, stamp, None, frozenset(), (), regions, ()))


def _content(
    impression: Impression,
    facts: Facts,
    runs: Sequence[ReadRun],
    moment: datetime,
    edition: Edition,
    predecessors: Sequence[Predecessor],
    requests: Sequence[Path],
) -> Content:
    """The author on the images of all runs, with identifiers of their own.

    They derive from the study, the set of runs by package and input, the facts and the sentences with their author, and
    which of the study's impressions it is: the same again is the same object, and another text another one.
    """
    first, models = runs[0].content, [one.run.findings.model for one in runs]
    set_of_runs = set_digest(f"{one.run.findings.model.digest} {one.run.findings.input_digest}" for one in runs)
    said = json.dumps([facts.to_json(), impression.to_json()], sort_keys=True, ensure_ascii=True)
    author = author_of(impression, models)
    stamp = Provenance(
        first.source.study_uid, ResultKind.IMPRESSION, str(edition.number), set_of_runs,
        hashlib.sha256(said.encode("ascii")).hexdigest(), moment_in(first.source.time_zone, moment),
    )  # fmt: skip
    return replace(
        first,
        findings=Findings(author, stamp.input_digest, first.findings.frames, None, ()),
        stamp=stamp,
        regions=(),
        predecessors=predecessors,
        others=tuple(OtherInput(one.run.findings.model.title, one.content.source) for one in runs[1:]),
        edition=edition,
        requests=referenced_requests(first.source, requests).elements,
    )


def author_of(impression: Impression, models: Sequence[ModelIdentity]) -> ModelIdentity:
    """Who wrote the sentences, where DICOM asks for a device: a product where every model is one and no other wrote.

    A language model is named as its provider names it, in the version of the prompt that the words depend on as well.
    """
    model = impression.language_model if impression.author is Author.LANGUAGE_MODEL else None
    name, version, maker = (
        (model.model, model.prompt, model.provider) if model else (_TEMPLATE, impression.checker, _MAKER)
    )
    identity = (impression.author, name, version, maker, impression.checker)
    return ModelIdentity(
        name=name,
        version=version,
        title=_TITLE,
        manufacturer=maker,
        device_uid=derived_uid("impression author", *identity),
        digest=hashlib.sha256("\n".join(identity).encode("utf-8")).hexdigest(),
        demonstration=any(one.demonstration for one in models),
        product=model is None and all(one.product for one in models),
    )

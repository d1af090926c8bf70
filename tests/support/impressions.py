"""Findings of the four packages as they come in real studies, and the facts that they make."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from uuid import UUID

from domain.findings import (
    Code,
    FindingProbability,
    Findings,
    Measurement,
    Region,
    Segment,
    Shape,
    SourceFrame,
)
from domain.ids import JobId
from domain.impressions import Facts
from models.manifest import Manifest
from models.registry import Package, load_package
from models.words import vocabulary
from summary.facts import About, Earlier, Studied, facts
from tests.support.counterparts import ROOT

RIGHT, LEFT = Code("24028007", "SCT", "Right"), Code("7771000", "SCT", "Left")
MEAN = Code("373098007", "SCT", "Mean")
CHEST_CT, CHEST_DX, BRAIN_MR = About("CT", "CHEST", 63.4), About("DX", "CHEST", 63.4), About("MR", "BRAIN", 55.0)
VOXEL = (1.25, 0.7, 0.7)


@cache
def package(name: str) -> Package:
    """One of the packages that come with the node."""
    return load_package(Path(ROOT) / "models" / name)


def job(number: int) -> JobId:
    """The id of a job."""
    return JobId(UUID(int=number))


def empty(name: str) -> Findings:
    """Findings of a package with nothing in them."""
    return Findings(package(name).identity, "cd" * 32, (SourceFrame("1.2.3"),) * 300, None, (), voxel=VOXEL)


def studied(findings: Findings, number: int = 1, earlier: Earlier | None = None) -> Studied:
    """The findings of a job, with the words of its package."""
    return Studied(job(number), findings, vocabulary(package(findings.model.name).manifest), earlier)


def facts_of(*of: Findings, about: About = CHEST_CT, earlier: Earlier | None = None) -> Facts:
    """The facts of a job for each of `of`; `earlier` is what the first of them found before."""
    jobs = [studied(one, number, earlier if number == 1 else None) for number, one in enumerate(of, 1)]
    return facts(jobs, about)[0]


def lungs(right: float = 2534.7, left: float = 2210.5) -> Findings:
    """Both lungs, so many ml."""
    return _segmented("ct_lung", [(right, -812.3), (left, -805.0)])


def tumour(core: float, oedema: float, enhancing: float, long: float = 0.0, short: float = 0.0) -> Findings:
    """The three parts of a tumour, in ml, and the axes (mm) of what enhances."""
    return _segmented("brain_tumor", [(core,), (oedema,), (enhancing, long, short) if enhancing else (0.0,)])


def _segmented(name: str, values: Sequence[Sequence[float]]) -> Findings:
    manifest = package(name).manifest
    segments = tuple(_segment(one, found, manifest) for one, found in zip(manifest.segments, values, strict=True))
    return replace(empty(name), segments=segments)


def _segment(one: Segment, values: Sequence[float], manifest: Manifest) -> Segment:
    wanted = [quantity for quantity in manifest.measurements if quantity.segment in (0, one.number)]
    measured = (
        Measurement(quantity.name, value, quantity.unit, MEAN if quantity.what == "mean" else None)
        for quantity, value in zip(wanted, values, strict=False)
    )
    return replace(one, measurements=tuple(measured))


def nodules(*lesions: tuple[float, float, Code | None, float], remarks: tuple[str, ...] = ()) -> Findings:
    """Candidates: long and short axis (mm), the side, the score."""
    manifest = package("ct_nodules").manifest
    (segment,), (wanted,) = manifest.segments, manifest.lesions
    count = Measurement(manifest.measurements[0].name, float(len(lesions)), manifest.measurements[0].unit)
    regions: list[Region] = []
    for number, (long, short, side, probability) in enumerate(lesions, 1):
        by_what = {"long_axis": long, "short_axis": short, "mean_axis": (long + short) / 2, "volume": short**3 / 2}
        measured = tuple(
            Measurement(one.name, by_what[one.what], one.unit, MEAN if one.what == "mean_axis" else None)
            for one in manifest.measurements
            if one.what in by_what
        )
        label = f"{wanted.label} {number}"
        box = Region(
            label, segment.type, number, Shape.BOX, ((9.0, 9.0), (19.0, 19.0)), probability, wanted.site, side,
            measurements=measured,
        )  # fmt: skip
        middle = replace(box, label=f"{label}, middle", of=label, measurements=(), shape=Shape.POINT)
        regions += [box, middle]
    found = replace(segment, measurements=(count,))
    return replace(empty("ct_nodules"), segments=(found,), regions=tuple(regions), remarks=remarks)


def chest(*present: tuple[str, float], images: int = 1) -> Findings:
    """What a classifier says of radiographs: these labels with a score, in the first image; the others low."""
    likely = tuple(
        FindingProbability(
            one.label, one.code, dict(present).get(one.label, 0.01) if k == 0 else 0.01, one.threshold, k
        )
        for k in range(images)
        for one in package("cxr_findings").manifest.findings
    )
    return replace(empty("cxr_findings"), likelihoods=likely, voxel=None)

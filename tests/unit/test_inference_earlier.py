"""What a package says of an earlier study: how much it was, by how much it is more now, and what is not compared."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from domain.errors import NotSuitable
from domain.findings import Code, Findings, Measurement
from inference_worker.earlier import loaded
from inference_worker.model_protocol import Earlier, Outcome, Sources
from models.registry import Package
from tests.support.findings import MILLILITRE, MODEL, VOLUME
from tests.support.prior_packages import comparing

NOTHING: Sources = {}
ORGAN = Code("123037004", "SCT", "Anatomical Structure")


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return comparing(tmp_path).packages["body_and_bone"]


def outcome(
    package: Package,
    digest: str,
    *volumes: float | None,
    remarks: tuple[str, ...] = (),
    mask: NDArray[np.uint8] | None = None,
) -> Outcome:
    """A segment of each of the volumes (ml); None where it could not be measured."""
    segments = tuple(
        replace(one, measurements=() if volume is None else (Measurement(VOLUME, volume, MILLILITRE),))
        for one, volume in zip(package.manifest.segments, volumes, strict=True)
    )
    mask = np.zeros((3, 1, 2), np.uint8) if mask is None else mask
    return Outcome(Findings(MODEL, digest, (), None, segments, remarks=remarks), mask)


def compared(package: Package, now: Outcome, earlier: Outcome | Exception | str) -> Findings:
    def run(_: Sources) -> Outcome:
        if isinstance(earlier, Exception):
            raise earlier
        assert isinstance(earlier, Outcome)
        return earlier

    compare = loaded(package.manifest, run).compare
    assert compare is not None
    given: Earlier = earlier if isinstance(earlier, str) else NOTHING
    return compare(now, given).findings


def values(findings: Findings) -> list[list[float]]:
    return [[round(one.value, 6) for one in segment.compared] for segment in findings.segments]


def test_each_segment_says_what_it_was_and_by_how_much_it_is_more_now(package: Package) -> None:
    found = compared(package, outcome(package, "now", 4400.0, 90.0), outcome(package, "then", 4000.0, 100.0))
    assert values(found) == [[4000.0, 400.0, 10.0], [100.0, -10.0, -10.0]]
    assert [one.name.value for one in found.segments[0].compared] == [
        "VOLUME-BEFORE",
        "VOLUME-CHANGE",
        "VOLUME-PERCENT",
    ]
    assert found.segments[0].measurements[0].value == 4400.0


def test_what_is_compared_are_the_figures_that_readers_see(package: Package) -> None:
    now, then = outcome(package, "now", 2863.4, 2863.4), outcome(package, "then", 2865.7, 1909.6)
    assert values(compared(package, now, then)) == [[2870.0, -10.0, 0.0], [1910.0, 950.0, 50.0]]


@pytest.mark.parametrize("cut", ["now", "then"])
@pytest.mark.parametrize("end", [0, -1])
def test_what_either_study_may_have_cut_off_is_not_compared(package: Package, cut: str, end: int) -> None:
    masks = {name: np.zeros((3, 1, 2), np.uint8) for name in ("now", "then")}
    for one in masks.values():
        one[1] = [[1, 2]]
    masks[cut][end, 0, 0] = 1
    now, then = (outcome(package, name, 4400.0, 90.0, mask=mask) for name, mask in masks.items())
    found = compared(package, now, then)
    assert values(found) == [[], [90.0, 0.0, 0.0]]
    label = found.segments[0].label
    assert f"not compared with the earlier study, for one of the two may cut it off: {label}" in found.remarks


def test_a_reader_learns_what_goes_on_to_the_end_of_the_images(package: Package) -> None:
    whole, mask = np.zeros((3, 1, 2), np.uint8), np.zeros((3, 1, 2), np.uint8)
    whole[1], mask[1:] = [[1, 2]], [[1, 2]]
    organs = tuple(replace(one, category=ORGAN) for one in package.manifest.segments)
    of_organs = replace(package, manifest=replace(package.manifest, segments=organs))

    def remarks(of: Package, there: NDArray[np.uint8]) -> tuple[str, ...]:
        run = loaded(of.manifest, lambda _: outcome(of, "now", 1.0, 2.0, mask=there)).run
        return run(NOTHING).findings.remarks

    labels = ", ".join(one.label for one in organs)
    assert remarks(of_organs, mask) == (
        f"goes on to the first or the last image, and is measured no further: {labels}",
    )
    assert remarks(of_organs, whole) == ()
    assert remarks(package, mask) == (), "the tissue of a body goes on without end"


def test_of_nothing_there_is_no_percentage_and_what_was_not_measured_is_not_compared(package: Package) -> None:
    found = compared(package, outcome(package, "now", 5.0, 90.0), outcome(package, "then", 0.0, None))
    assert values(found) == [[0.0, 5.0], []]


def test_the_input_of_what_was_compared_is_both_studies(package: Package) -> None:
    now = outcome(package, "now", 1.0, 1.0)
    digests = {compared(package, now, outcome(package, then, 1.0, 1.0)).input_digest for then in ("one", "other")}
    assert len(digests | {"now"}) == 3


@pytest.mark.parametrize("earlier", ["a slice is missing", NotSuitable("a slice is missing")])
def test_an_earlier_study_that_cannot_be_read_costs_the_study_nothing_but_the_comparison(
    package: Package, earlier: str | Exception
) -> None:
    found = compared(package, outcome(package, "now", 1.0, 2.0), earlier)
    assert values(found) == [[], []]
    assert found.segments[0].measurements
    assert found.remarks == (
        "an earlier study was not compared with, for it cannot be read as this one: a slice is missing",
    )


def test_a_reader_learns_how_the_earlier_study_was_read(package: Package) -> None:
    then = outcome(package, "then", 1.0, 1.0, remarks=("1 missing slice was interpolated",))
    assert compared(package, outcome(package, "now", 1.0, 1.0), then).remarks == (
        "earlier study: 1 missing slice was interpolated",
    )


def test_a_package_without_priors_compares_nothing(package: Package) -> None:
    plain = replace(package.manifest, priors=None)
    assert loaded(plain, lambda sources: outcome(package, "now", 1.0, 1.0)).compare is None

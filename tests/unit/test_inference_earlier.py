"""What a package says of an earlier study: how much it was, by how much it is more now, and what is not compared."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from domain.errors import NotSuitable
from domain.findings import Findings, Measurement
from inference_worker.earlier import loaded
from inference_worker.model_protocol import Earlier, Outcome, Sources
from models.registry import Package
from tests.support.findings import MILLILITRE, MODEL, VOLUME
from tests.support.prior_packages import comparing

NOTHING: Sources = {}


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return comparing(tmp_path).packages["body_and_bone"]


def outcome(package: Package, digest: str, *volumes: float | None, remarks: tuple[str, ...] = ()) -> Outcome:
    """A segment of each of the volumes (ml); None where it could not be measured."""
    segments = tuple(
        replace(one, measurements=() if volume is None else (Measurement(VOLUME, volume, MILLILITRE),))
        for one, volume in zip(package.manifest.segments, volumes, strict=True)
    )
    return Outcome(Findings(MODEL, digest, (), None, segments, remarks=remarks), np.zeros((1, 1, 1), np.uint8))


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

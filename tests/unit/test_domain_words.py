"""Words never contradict the decision, and no figure stands there that the voxels do not carry."""

import re

import pytest
from hypothesis import example
from hypothesis import given as drawn
from hypothesis import strategies as st

from domain.findings import Code, FindingProbability, Measurement
from domain.words import SCORE, Resolution, certainty, figures, number, percent, percentage, quantity, rounded, score

ML, MM, HU = Code("ml", "UCUM", "milliliter"), Code("mm", "UCUM", "millimeter"), Code("[hnsf'U]", "UCUM", "HU")
VOLUME, LONG = Code("118565006", "SCT", "Volume"), Code("103339001", "SCT", "Long Axis")
DENSITY, MEAN = Code("112031", "DCM", "Attenuation Coefficient"), Code("373098007", "SCT", "Mean")


def cube(mm: float) -> Resolution:
    return Resolution(mm, mm**2, mm**3)


def found(probability: float, threshold: float) -> FindingProbability:
    return FindingProbability("Infiltration", VOLUME, probability, threshold)


def test_a_score_just_below_its_threshold_has_the_figures_that_tell_them_apart() -> None:
    assert score(found(0.13618, 0.13629)) == "score 13.62 %, not reported (from 13.63 % on)"
    assert score(found(0.497, 0.09296)) == "score 50 %, reported (from 9 % on)"
    assert score(found(0.99999, 0.5)) == "score above 99 %, reported (from 50 % on)"
    assert score(found(0.0004, 0.02656)) == "score below 1 %, not reported (from 3 % on)"
    assert score(found(0.002, 0.003)) == "score 0.2 %, not reported (from 0.3 % on)"


@drawn(st.floats(0, 1), st.floats(0.0001, 0.9999))
@example(0.13618, 0.13629)
@example(0.0049, 0.005)
@example(0.9949, 0.995)
@example(0.99951, 0.9996)
def test_rounding_never_contradicts_the_verdict(probability: float, threshold: float) -> None:
    one = found(probability, threshold)
    said = score(one)
    numbers = [float(number) for number in re.findall(r"[\d.]+(?= %)", said)]
    below = "below" in said
    if not one.present and threshold - probability > 1e-6:
        assert numbers[0] < numbers[1] or (below and numbers[0] <= numbers[1])
    if one.present and not below:
        assert numbers[0] >= numbers[1] or "above" in said
    assert ("not reported" in said) != one.present


@pytest.mark.parametrize(
    ("share", "said"),
    [(0.0, "below 1 %"), (1.0, "above 99 %"), (0.001, "below 1 %"), (0.999, "above 99 %"), (0.955, "96 %")],
)
def test_a_percentage_is_never_rounded_to_nothing_or_to_certainty(share: float, said: str) -> None:
    assert percentage(share) == said


@drawn(st.floats(0, 1), st.floats(0, 1))
@example(0.99989994, 0.5)
@example(0.0004, 0.02656)
@example(0.004, 0.006)
@example(0.9999, 0.995)
@example(0.134, 0.133)
def test_the_number_of_a_score_bears_its_verdict_out_and_is_never_nothing_or_certainty(
    probability: float, threshold: float
) -> None:
    value = certainty(found(probability, threshold))
    assert 0 < value < 100
    if abs(probability - threshold) > 1e-6 and 1e-6 < threshold < 1 - 1e-6:
        assert (value >= 100 * threshold) == (probability >= threshold)


def test_the_number_of_a_score_has_the_figures_of_its_words() -> None:
    assert certainty(found(0.99989994, 0.5)) == 99
    assert certainty(found(0.0004, 0.02656)) == 1
    assert certainty(found(0.13618, 0.13629)) == 13.62
    assert (percent(0.955), percent(0.0), percent(1.0)) == (96, 1, 99)


@drawn(st.floats(-1e6, 1e6), st.sampled_from(["mm", "ml", "mm2", "mm3", "[hnsf'U]", "1"]), st.floats(0.05, 20))
@example(-0.0, "mm", 1.0)
@example(-0.2, "1", 1.0)
def test_a_number_of_a_report_is_what_the_words_say_and_nothing_is_less_than_nothing(
    value: float, unit: str, voxel: float
) -> None:
    one = Measurement(VOLUME, value, Code(unit, "UCUM", unit))
    said = figures(one, cube(voxel))
    assert number(one, cube(voxel)) == float(said)
    assert isinstance(number(one, cube(voxel)), int) == ("." not in said)
    assert not re.fullmatch(r"-0(\.0*)?", said)


def test_what_was_counted_stays_whole() -> None:
    assert quantity(Measurement(Code("246205007", "SCT", "Quantity"), 1234.0, Code("1", "UCUM", "1"))) == "number 1234"


def test_a_volume_has_as_many_figures_in_mm3_as_in_ml() -> None:
    voxels = Resolution(0.5, 0.62, 1.24)
    assert quantity(Measurement(VOLUME, 38.3, Code("mm3", "UCUM", "cubic millimeter")), voxels) == "volume 38 mm3"
    assert quantity(Measurement(VOLUME, 0.0383, ML), voxels) == "volume 0.038 ml"


def test_what_a_score_is_is_said_of_whatever_was_looked_at() -> None:
    assert "images" not in SCORE


def test_lengths_and_volumes_have_no_more_figures_than_the_voxels_carry() -> None:
    assert quantity(Measurement(LONG, 33.94113, MM), cube(4)) == "long axis 34 mm"
    assert quantity(Measurement(VOLUME, 5.632, ML), cube(4)) == "volume 5.6 ml"
    assert quantity(Measurement(VOLUME, 16.456, ML), cube(2)) == "volume 16.5 ml"
    assert quantity(Measurement(VOLUME, 2028.3148, ML), cube(1)) == "volume 2030 ml"
    assert quantity(Measurement(VOLUME, 0.064, ML), cube(4)) == "volume 0.06 ml"
    assert quantity(Measurement(LONG, 6.27, MM), cube(0.2)) == "long axis 6.3 mm"


def test_what_is_measured_is_called_as_a_reader_calls_it() -> None:
    assert quantity(Measurement(DENSITY, -812.34, HU, MEAN)) == "mean density -812 HU"
    assert quantity(Measurement(DENSITY, -0.2, HU, MEAN)) == "mean density 0 HU"
    assert quantity(Measurement(Code("1", "99X", "Roughness"), 0.123456, Code("1", "UCUM", "no units"))) == (
        "Roughness 0.123"
    )
    assert quantity(Measurement(VOLUME, float("nan"), ML)) == "volume could not be measured"


def test_no_code_s_spelling_of_a_unit_reaches_a_reader() -> None:
    suv = Code("g/ml{SUVbw}", "UCUM", "Standardized Uptake Value body weight")
    assert quantity(Measurement(Code("126401", "DCM", "SUVbw"), 5.96, suv, MEAN)) == "mean SUVbw 6.0 g/ml"
    assert quantity(Measurement(Code("1", "99X", "uptake"), 12.34, suv)) == "uptake SUVbw 12.3 g/ml"
    assert quantity(Measurement(Code("1", "99X", "uptake"), 1234.0, Code("Bq/ml", "UCUM", ""))) == "uptake 1230 Bq/ml"


def test_which_of_several_parts_was_measured_is_said() -> None:
    assert quantity(Measurement(LONG, 11.0, MM, part=1, parts=3)) == "long axis 11 mm (largest of 3 parts)"
    assert quantity(Measurement(LONG, 5.0, MM, part=2, parts=3)) == "long axis 5 mm (part 2 of 3 by size)"
    assert quantity(Measurement(LONG, 5.0, MM, part=1, parts=1)) == "long axis 5 mm"


@drawn(st.floats(-1e6, 1e6), st.integers(1, 4))
def test_a_rounded_number_is_the_number_to_so_many_figures(value: float, count: int) -> None:
    said = rounded(value, count)
    assert "e" not in said
    assert float(said) == pytest.approx(value, rel=10.0 ** (1 - count), abs=1e-300)

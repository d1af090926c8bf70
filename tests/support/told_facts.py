"""Facts of a made-up chest CT with a radiograph's findings, as several models would leave them."""

from domain.findings import Code, Measurement
from domain.impressions import Amount, Caution, Change, Fact, Facts, Interval, Presence, ScoreBand

RIGHT, LEFT = Code("24028007", "SCT", "Right"), Code("7771000", "SCT", "Left")
LUNG = Code("39607008", "SCT", "Lung")
LONG_AXIS, SHORT_AXIS = Code("103339001", "SCT", "Long Axis"), Code("103340004", "SCT", "Short Axis")
VOLUME, DENSITY = Code("118565006", "SCT", "Volume"), Code("112031", "DCM", "Attenuation Coefficient")
MEAN = Code("373098007", "SCT", "Mean")
MM, ML = Code("mm", "UCUM", "millimeter"), Code("ml", "UCUM", "milliliter")
HU = Code("[hnsf'U]", "UCUM", "Hounsfield unit")
NODULE = Code("27925004", "SCT", "Nodule")


def amount(name: Code, value: float, unit: Code, said: str, derivation: Code | None = None) -> Amount:
    """A measurement as results say it."""
    return Amount(Measurement(name, value, unit, derivation), said)


def axes(long: float, short: float) -> tuple[Amount, ...]:
    """Both axes of a lesion, mm."""
    return amount(LONG_AXIS, long, MM, f"{long} mm"), amount(SHORT_AXIS, short, MM, f"{short} mm")


def chest() -> Facts:
    """Two nodule candidates (the first has grown), both lungs measured, a large heart; no pneumothorax, no effusion."""
    grown = Change(LONG_AXIS, 1.5, MM, "+1.5 mm", Interval.MONTHS)
    candidates, lungs, film = "Lung nodule candidates in chest CT", "Lungs in chest CT", "Chest radiograph findings"
    demonstration = (Caution.DEMONSTRATION,)
    return Facts(
        (
            Fact(
                *("F1", NODULE, "Nodule candidate", Presence.PRESENT, candidates, LUNG, RIGHT, axes(6.4, 4.2)),
                *(ScoreBand.HIGHEST, demonstration, (grown,)),
            ),
            Fact(
                *("F2", NODULE, "Nodule candidate", Presence.PRESENT, candidates, LUNG, LEFT, axes(3.1, 2.2)),
                *(ScoreBand.HIGH, demonstration),
            ),
            _lung("F3", "Right lung", RIGHT, lungs, 2400, -812),
            _lung("F4", "Left lung", LEFT, lungs, 2100, -803),
            Fact("F5", Code("36118008", "SCT", "Pneumothorax"), "Pneumothorax", Presence.ABSENT, film),
            Fact("F6", Code("60046008", "SCT", "Pleural effusion"), "Effusion", Presence.ABSENT, film),
            Fact(
                *("F7", Code("8186001", "SCT", "Cardiomegaly"), "Cardiomegaly", Presence.PRESENT, film),
                score=ScoreBand.LOW,
            ),
        ),
        modality="CT",
        body_part="CHEST",
    )


def _lung(name: str, label: str, side: Code, model: str, volume: float, density: float) -> Fact:
    amounts = (
        amount(VOLUME, volume, ML, f"{volume} ml"),
        amount(DENSITY, density, HU, f"{density} HU", MEAN),
    )
    return Fact(name, LUNG, label, Presence.MEASURED, model, None, side, amounts)

"""Facts of studies that nobody had, made by a seed: what models of chest, brain and abdomen would leave."""

import random
from collections.abc import Sequence
from dataclasses import replace

from domain.findings import Code, Measurement
from domain.impressions import Amount, Change, Fact, Facts, Interval, Presence, ScoreBand

LEFT, RIGHT = Code("7771000", "SCT", "Left"), Code("24028007", "SCT", "Right")
_LUNG, _KIDNEY = Code("39607008", "SCT", "Lung"), Code("64033007", "SCT", "Kidney")
_LONG, _SHORT = Code("103339001", "SCT", "Long Axis"), Code("103340004", "SCT", "Short Axis")
_VOLUME, _DENSITY = Code("118565006", "SCT", "Volume"), Code("112031", "DCM", "Attenuation Coefficient")
_MEAN = Code("373098007", "SCT", "Mean")
_MM, _ML, _HU = Code("mm", "UCUM", "millimeter"), Code("ml", "UCUM", "milliliter"), Code("[hnsf'U]", "UCUM", "HU")

# Label and code of what classifiers look for.
_LOOKED_FOR = (
    ("Atelectasis", "46621007", "Atelectasis"),
    ("Cardiomegaly", "8186001", "Cardiomegaly"),
    ("Effusion", "60046008", "Pleural effusion"),
    ("Mass", "309529002", "Lung mass"),
    ("Pneumonia", "233604007", "Pneumonia"),
    ("Pneumothorax", "36118008", "Pneumothorax"),
    ("Consolidation", "95436008", "Lung consolidation"),
    ("Edema", "19242006", "Pulmonary edema"),
    ("Emphysema", "87433001", "Pulmonary emphysema"),
    ("Fibrosis", "51615001", "Fibrosis of lung"),
    ("Hernia", "84089009", "Hiatal hernia"),
    ("Fracture", "125605004", "Fracture"),
)
_TUMOUR = (
    ("Enhancing tumour", Code("C113842", "NCIt", "Enhancing Lesion")),
    ("Oedema", Code("79654002", "SCT", "Edema")),
    ("Necrotic and non-enhancing core", Code("6574001", "SCT", "Necrosis")),
)
_ORGANS = (("Spleen", "78961009"), ("Liver", "10200004"), ("Pancreas", "15776009"))


def made_facts(chance: random.Random) -> Facts:
    """One study's facts, in the order and with the ids that readers see."""
    make = chance.choice((_chest_ct, _radiograph, _brain, _abdomen))
    facts, modality, part = make(chance)
    numbered = (replace(one, id=f"F{number}") for number, one in enumerate(facts, 1))
    return Facts(tuple(numbered), modality, part)


def _chest_ct(chance: random.Random) -> tuple[Sequence[Fact], str, str]:
    sides = [(one, chance.uniform(3, 30)) for one in (RIGHT, LEFT)]
    nodules = [_nodule(chance, side, long) for side, long in sides[: chance.randint(1, 2)]]
    lungs = [_lung(chance, "Right lung", RIGHT), _lung(chance, "Left lung", LEFT)]
    return [*nodules, *lungs[: chance.randint(0, 2)], *_absent(chance, chance.randint(1, 3))], "CT", "CHEST"


def _nodule(chance: random.Random, side: Code, long: float) -> Fact:
    short = long * chance.uniform(0.4, 0.8)
    axes = (_amount(_LONG, long, _MM, 1), _amount(_SHORT, short, _MM, 1))
    code = Code("27925004", "SCT", "Nodule")
    return Fact(
        *("", code, "Nodule candidate", Presence.PRESENT, "Nodules", _LUNG, side, axes),
        score=chance.choice(list(ScoreBand)),
        changes=_changed(chance, _LONG, _MM, "mm"),
    )


def _lung(chance: random.Random, label: str, side: Code) -> Fact:
    amounts = (
        _amount(_VOLUME, chance.uniform(900, 3500), _ML, 0),
        _amount(_DENSITY, chance.uniform(-900, -700), _HU, 0),
    )
    return Fact("", _LUNG, label, Presence.MEASURED, "Lungs", None, side, amounts)


def _radiograph(chance: random.Random) -> tuple[Sequence[Fact], str, str]:
    rows = chance.sample(_LOOKED_FOR, chance.randint(4, 8))
    present = chance.randint(1, 3)
    found = [
        Fact(
            *("", Code(code, "SCT", meaning), label, Presence.PRESENT if at < present else Presence.ABSENT, "Films"),
            score=chance.choice(list(ScoreBand)) if at < present else None,
        )
        for at, (label, code, meaning) in enumerate(rows)
    ]
    return found, "DX", "CHEST"


def _brain(chance: random.Random) -> tuple[Sequence[Fact], str, str]:
    facts = [
        Fact(
            *("", code, label, Presence.PRESENT, "Brain tumour", None, None),
            amounts=(_amount(_VOLUME, chance.uniform(1, 90), _ML, 1),),
            changes=_changed(chance, _VOLUME, _ML, "ml"),
        )
        for label, code in chance.sample(_TUMOUR, chance.randint(1, 3))
    ]
    return facts, "MR", "BRAIN"


def _abdomen(chance: random.Random) -> tuple[Sequence[Fact], str, str]:
    organs = [
        Fact(
            *("", Code(code, "SCT", label), label, Presence.MEASURED, "Organs", None, None),
            amounts=(_amount(_VOLUME, chance.uniform(60, 1800), _ML, 0),),
        )
        for label, code in chance.sample(_ORGANS, chance.randint(1, 2))
    ]
    mass = Fact(
        *(
            "",
            Code("52988006", "SCT", "Lesion"),
            "Lesion",
            Presence.PRESENT,
            "Lesions",
            _KIDNEY,
            chance.choice((LEFT, RIGHT)),
        ),
        amounts=(_amount(_LONG, chance.uniform(5, 60), _MM, 0),),
    )
    return [mass, *organs], "CT", "ABDOMEN"


def _absent(chance: random.Random, count: int) -> list[Fact]:
    rows = chance.sample(_LOOKED_FOR, count)
    return [Fact("", Code(code, "SCT", meaning), label, Presence.ABSENT, "Films") for label, code, meaning in rows]


def _amount(name: Code, value: float, unit: Code, decimals: int) -> Amount:
    said = {"[hnsf'U]": "HU"}.get(unit.value, unit.value)
    derivation = _MEAN if name is _DENSITY else None
    return Amount(Measurement(name, value, unit, derivation), f"{value:.{decimals}f} {said}")


def _changed(chance: random.Random, name: Code, unit: Code, said: str) -> tuple[Change, ...]:
    if chance.random() < 0.5:
        return ()
    difference = chance.choice((0.0, chance.uniform(0.6, 9), -chance.uniform(0.6, 9)))
    text = f"{difference:+.1f} {said}" if difference else ""
    return (Change(name, difference, unit, text, chance.choice(list(Interval))),)

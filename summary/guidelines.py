"""What guidelines say of what was found: rules in a table, each with its source, and what the facts lack to apply one.

The first is that of the Fleischner Society of 2017 on pulmonary nodules that CT shows by chance: MacMahon H, Naidich
DP, Goo JM et al., Guidelines for management of incidental pulmonary nodules detected on CT images: from the Fleischner
Society 2017, Radiology 2017;284:228-243, doi:10.1148/radiol.2017161659. Its table is told in our own words.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

from domain.impressions import Fact, Facts, Presence, Sentence, Topic
from summary import wording

FLEISCHNER = "Fleischner Society 2017 (MacMahon et al., Radiology 2017;284:228-243)"
_ADULT = 35  # years: who is younger has another risk
_YOUNGER = frozenset({"0 to 1", "2 to 9", "10 to 17", "18 to 29", "30 to 34"})
_NODULES = frozenset({("27925004", "SCT"), ("786838002", "SCT")})  # Nodule, Nodule of lung
_OF_LUNG = frozenset({("786838002", "SCT")})
_LUNG = ("39607008", "SCT")


class Consistency(StrEnum):
    """What a nodule is like; the table has other rows for each."""

    SOLID = "solid"
    GROUND_GLASS = "ground glass"
    PART_SOLID = "part solid"


class Size(StrEnum):
    """The columns of the table, by the mean of long and short axis in whole millimetres."""

    SMALL = "below 6 mm"
    MIDDLE = "6 to 8 mm"
    LARGE = "above 8 mm"


class Risk(StrEnum):
    """How likely the patient is to have lung cancer, by the paper's list of what raises that."""

    LOW = "low"
    HIGH = "high"


@dataclass(frozen=True)
class Known:
    """What has to be known of nodule and patient beside what models find; None is what nobody has said."""

    nodule: bool | None = None  # a person holds it for one
    consistency: Consistency | None = None
    incidental: bool | None = None
    adult: bool | None = None  # 35 or over
    cancer: bool | None = None
    immunosuppressed: bool | None = None
    screening: bool | None = None
    risk: Risk | None = None


@dataclass(frozen=True)
class Row:
    """One cell of the paper's table 1: part A or B, for what, and what it says; `risk` None is either."""

    part: str
    consistencies: tuple[Consistency, ...]
    several: bool
    sizes: tuple[Size, ...]
    risk: Risk | None
    says: str


_SOLID = (Consistency.SOLID,)
_GLASS, _PART = (Consistency.GROUND_GLASS,), (Consistency.PART_SOLID,)
_SUBSOLID = (*_GLASS, *_PART)
_FROM_6 = (Size.MIDDLE, Size.LARGE)
_LATER = "CT at 18 to 24 months"

ROWS = (
    Row("A", _SOLID, False, (Size.SMALL,), Risk.LOW, "no routine follow-up"),
    Row("A", _SOLID, False, (Size.SMALL,), Risk.HIGH, "CT at 12 months is optional"),
    Row("A", _SOLID, False, (Size.MIDDLE,), Risk.LOW, f"CT at 6 to 12 months, then {_LATER} is to be considered"),
    Row("A", _SOLID, False, (Size.MIDDLE,), Risk.HIGH, f"CT at 6 to 12 months, then {_LATER}"),
    Row("A", _SOLID, False, (Size.LARGE,), None, "CT at 3 months, PET/CT or tissue sampling is to be considered"),
    Row("A", _SOLID, True, (Size.SMALL,), Risk.LOW, "no routine follow-up"),
    Row("A", _SOLID, True, (Size.SMALL,), Risk.HIGH, "CT at 12 months is optional"),
    Row("A", _SOLID, True, _FROM_6, Risk.LOW, f"CT at 3 to 6 months, then {_LATER} is to be considered"),
    Row("A", _SOLID, True, _FROM_6, Risk.HIGH, f"CT at 3 to 6 months, then {_LATER}"),
    Row("B", _GLASS, False, (Size.SMALL,), None, "no routine follow-up"),
    Row(
        "B", _GLASS, False, _FROM_6, None,
        "CT at 6 to 12 months whether it persists, then CT every 2 years until 5 years",
    ),
    Row("B", _PART, False, (Size.SMALL,), None, "no routine follow-up"),
    Row(
        "B", _PART, False, _FROM_6, None,
        "CT at 3 to 6 months whether it persists, and where it is unchanged and its solid part stays below 6 mm, CT "
        "every year for 5 years",
    ),
    Row(
        "B", _SUBSOLID, True, (Size.SMALL,), None,
        "CT at 3 to 6 months, and where they are stable, CT at 2 and 4 years is to be considered",
    ),
    Row("B", _SUBSOLID, True, _FROM_6, None, "CT at 3 to 6 months, then as the most suspicious of them asks for"),
)  # fmt: skip

# What a rule cannot do without, in words, in the order in which a reader asks.
_ASKED: Mapping[str, str] = {
    "nodule": "whether a reader has confirmed it",
    "consistency": "whether solid or subsolid",
    "incidental": "whether found by chance or in screening",
    "screening": "whether found by chance or in screening",
    "adult": "how old the patient is",
    "cancer": "whether the patient has cancer",
    "immunosuppressed": "whether the patient is immunosuppressed",
    "risk": "how high the risk of lung cancer is",
}
# Where the guideline does not apply: what it is told of then.
_NOT_FOR = (
    ("nodule", False, "what was found is no nodule"),
    ("adult", False, f"the patient is younger than {_ADULT}"),
    ("incidental", False, "it was not found by chance"),
    ("cancer", True, "the patient has known cancer"),
    ("immunosuppressed", True, "the patient is immunosuppressed"),
    ("screening", True, "this is screening"),
)


UNKNOWN = Known()


def sentences(facts: Facts, known: Known = UNKNOWN) -> Iterator[Sentence]:
    """What guidelines say of the facts: of each that is for what was found, one sentence.

    `known` is what a person has said. Where what a rule needs is neither there nor in the facts, the sentence says so.
    """
    nodules = [one for one in facts.facts if _is_nodule(one, facts)]
    if nodules:
        said = _fleischner(nodules, _with_facts(known, nodules, facts))
        yield Sentence(said, tuple(one.id for one in nodules), Topic.GUIDELINE, FLEISCHNER)


def row(consistency: Consistency, several: bool, size: Size, risk: Risk | None) -> Row | None:
    """The cell of the table; None where it depends on a risk that is not known."""
    fitting = (one for one in ROWS if consistency in one.consistencies and one.several == several and size in one.sizes)
    return next((one for one in fitting if one.risk in (None, risk)), None)


def size_of(mean_mm: float) -> Size:
    """The column, by the mean of both axes rounded to the nearest millimetre, as the paper has it."""
    whole = rounded(mean_mm)
    if whole < 6:
        return Size.SMALL
    return Size.MIDDLE if whole <= 8 else Size.LARGE


def rounded(mean_mm: float) -> int:
    """To the nearest whole millimetre; a half goes up."""
    return int(Decimal(repr(mean_mm)).quantize(Decimal(1), ROUND_HALF_UP))


def mean_of(fact: Fact) -> float | None:
    """The mean diameter (mm) of a nodule, of the figures that are said; None where it was not measured."""
    amount = wording.size(fact)
    if amount is not None and wording.is_mean_diameter(amount) and amount.measurement.unit.value == "mm":
        return amount.measurement.value
    both = wording.axes(fact)
    if both is None or any(one.measurement.unit.value != "mm" for one in both):
        return None
    return (both[0].measurement.value + both[1].measurement.value) / 2


def _is_nodule(fact: Fact, facts: Facts) -> bool:
    """Whether the rule is for it: a nodule of a lung that CT shows."""
    code = (fact.finding.value, fact.finding.scheme)
    in_lung = code in _OF_LUNG or (fact.site is not None and (fact.site.value, fact.site.scheme) == _LUNG)
    return facts.modality == "CT" and fact.presence is Presence.PRESENT and code in _NODULES and in_lung


def _with_facts(known: Known, nodules: Sequence[Fact], facts: Facts) -> Known:
    """What the facts tell too: the age, as far as its band lies on one side of 35."""
    adult = known.adult
    if adult is None and facts.age:
        adult = facts.age not in _YOUNGER
    return replace(known, adult=adult)


def _fleischner(nodules: Sequence[Fact], known: Known) -> str:
    if against := [said for asked, value, said in _NOT_FOR if getattr(known, asked) is value]:
        return f"Fleischner 2017 does not apply, since {wording.listed(against)}."
    sizes = [one for one in map(mean_of, nodules) if one is not None]
    several = _are_several(nodules)
    missing = [] if sizes else ["how large it is"]
    missing += dict.fromkeys(said for asked, said in _ASKED.items() if getattr(known, asked) is None)
    if sizes and known.consistency is not None:
        found = row(known.consistency, several, size_of(max(sizes)), known.risk)
        # Of some cells the risk changes nothing.
        missing = [one for one in missing if found is None or one != _ASKED["risk"]]
        if found is not None and not missing:
            return _applied(found, max(sizes), known.consistency)
    return _lacking(missing, max(sizes, default=None), several)


def _are_several(nodules: Sequence[Fact]) -> bool:
    """Whether one model has several, or they lie at several places: what two models have at one place may be one."""
    by_model = Counter[str]()
    for one in nodules:
        by_model[one.model] += one.count
    return max(by_model.values()) > 1 or len({one.laterality for one in nodules if one.laterality}) > 1


def _applied(found: Row, mean_mm: float, consistency: Consistency) -> str:
    size, risk = size_of(mean_mm), f", {found.risk.value} risk" if found.risk else ""
    how_many = "several nodules, the largest" if found.several else "a single nodule"
    what = f"{consistency.value}, {how_many} {size.value}{risk}"
    return f"Fleischner 2017, table 1 {found.part} ({what}): {found.says}."


def _lacking(missing: Sequence[str], mean_mm: float | None, several: bool) -> str:
    """Which sort of nodules it would be, and what nobody has said of these."""
    sort = "several nodules, the largest" if several else "a nodule"
    if mean_mm is not None:
        size = size_of(mean_mm)
        sort += f" of {size.value}" if size is Size.MIDDLE else f" {size.value}"
    return (
        f"Fleischner 2017 has rules for {sort}, in patients aged {_ADULT} and over; none is chosen, since it is not "
        f"known {wording.listed(missing)}."
    )

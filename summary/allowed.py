"""The allow-lists: what facts may be made of. Whatever is in none of them is not told, or told by a word of ours."""

import re
from collections.abc import Mapping

from domain import terms
from domain.coding import fault
from domain.findings import Code, ModelIdentity
from domain.impressions import Caution, Interval, ScoreBand
from domain.vocabulary import Vocabulary

# What something is called whose own name is not to be told: SNOMED CT's root of all findings.
FINDING = Code("404684003", "SCT", "Clinical finding")
UNNAMED = "finding"
MODEL = "model"

_MOST_DIGITS = 3  # "T12 vertebra", "3rd ventricle"; a date, an identifier or a UID has more
_TEXT = re.compile(r"[A-Za-z\u00c0-\u017f0-9][A-Za-z\u00c0-\u017f0-9 ,()/+'-]{0,63}")
_ORDINAL = re.compile(r" \d{1,3}$")  # of lesions that are listed one by one

# PS3.16 CID 244.
_SIDES = {
    "24028007": "Right",
    "7771000": "Left",
    "51440002": "Right and left",
    "66459002": "Unilateral",
}
# PS3.16 CID 7464.
_DERIVATIONS = {
    "373098007": "Mean",
    "386136009": "Standard Deviation",
    "255605001": "Minimum",
    "56851009": "Maximum",
    "373099004": "Median",
}
# UCUM: what is measured in images.
_UNITS = {
    "1": "no units",
    "{ratio}": "ratio",
    "{pixels}": "pixels",
    "%": "percent",
    "mm": "millimeter",
    "cm": "centimeter",
    "mm2": "square millimeter",
    "cm2": "square centimeter",
    "mm3": "cubic millimeter",
    "cm3": "cubic centimeter",
    "ml": "milliliter",
    "l": "liter",
    "deg": "degree",
    "g": "gram",
    "mg/cm3": "milligram per cubic centimeter",
    "[hnsf'U]": "Hounsfield unit",
    "g/ml": "gram per milliliter",
    "g/ml{SUVbw}": "standardized uptake value body weight",
    "g/ml{SUVlbm}": "standardized uptake value lean body mass",
    "Bq/ml": "becquerel per milliliter",
    "ms": "millisecond",
    "s": "second",
}
# PS3.3 C.7.3.1.1.1, of images.
_MODALITIES = frozenset({
    "CR", "CT", "DX", "ES", "IO", "IVUS", "MG", "MR", "NM", "OCT", "OP", "PT", "PX", "RF", "SM", "US", "XA",
})  # fmt: skip
# PS3.16 annex L, table L-1: Body Part Examined of what models read.
_BODY_PARTS = frozenset({
    "ABDOMEN", "ABDOMENPELVIS", "ANKLE", "AORTA", "ARM", "BLADDER", "BRAIN", "BREAST", "CHEST", "CHESTABDOMEN",
    "CHESTABDPELVIS", "CLAVICLE", "COLON", "CSPINE", "ELBOW", "EYE", "FEMUR", "FINGER", "FOOT", "FOREARM",
    "GALLBLADDER", "HAND", "HEAD", "HEADNECK", "HEART", "HIP", "HUMERUS", "JAW", "KIDNEY", "KNEE", "LEG", "LIVER",
    "LSPINE", "LUNG", "NECK", "NECKCHEST", "ORBIT", "PANCREAS", "PELVIS", "PROSTATE", "RIB", "SCAPULA",
    "SHOULDER", "SKULL", "SPINE", "SPLEEN", "STERNUM", "THORAX", "THYROID", "TSPINE", "UTERUS", "WHOLEBODY",
    "WRIST",
})  # fmt: skip
_SEXES = frozenset({"F", "M", "O"})
# Over 89 years are one band (45 CFR 164.514(b)(2)(i)(C)); 18 and 35 are where adults and guidelines begin.
_AGES = (0, 2, 10, 18, 30, 35, 40, 50, 60, 70, 80, 90)
_DAYS = {
    7: Interval.DAYS,
    31: Interval.WEEKS,
    92: Interval.MONTHS,
    183: Interval.HALF_YEAR,
    366: Interval.YEAR,
    731: Interval.TWO_YEARS,
}
# The remarks that the node's own worker makes, each from its first letter to its last or to what it names.
_REMARKS = (
    (re.compile(r"\d+ missing slices?( of \S+)? (was|were) interpolated(, .*|; .*)?"), Caution.INTERPOLATED),
    (re.compile(r"of \d+ parts that are .+ the \d+ likeliest are listed"), Caution.NOT_ALL_LISTED),
    (re.compile(re.escape(Caution.GENERAL_MODEL.value)), Caution.GENERAL_MODEL),
    (re.compile(r".+; the image was left out"), Caution.LEFT_OUT),
    (re.compile(r".+ was left out: .+"), Caution.LEFT_OUT),
    (re.compile(r"(.+: )?.+ (was|were) left aside: (it|each) .+"), Caution.LEFT_OUT),
)


def text(said: str, vocabulary: Vocabulary, *others: str) -> str:
    """What is said of `said`: itself where the package's manifest has it and it is plain, else the first that is."""
    known = (one for one in (said, _ORDINAL.sub("", said)) if one in vocabulary.texts)
    return next((one for one in (*known, *others) if is_plain(one)), UNNAMED)


def is_plain(said: str) -> bool:
    """Whether it is a few words that name a thing: Latin letters, a digit or three, commas and the like."""
    few = sum(letter.isdigit() for letter in said) <= _MOST_DIGITS
    return few and bool(_TEXT.fullmatch(said)) and said == said.strip() and not terms.claims(said)


def code(said: Code | None, vocabulary: Vocabulary) -> Code | None:
    """The code, where the package's manifest has it, word for word, and it is sound."""
    if said is None or said not in vocabulary.codes or not is_plain(said.meaning):
        return None
    return None if fault(said, unit=False) else said


def finding(said: Code, vocabulary: Vocabulary) -> Code:
    """The code of a finding, or that it is one."""
    return code(said, vocabulary) or FINDING


def laterality(said: Code | None) -> Code | None:
    """The side, in the standard's word for it."""
    return _listed(said, "SCT", _SIDES)


def derivation(said: Code | None) -> Code | None:
    """How a number came of others, in the standard's word for it."""
    return _listed(said, "SCT", _DERIVATIONS)


def unit(said: Code) -> Code | None:
    """The unit, in our words for it."""
    return _listed(said, "UCUM", _UNITS)


def _listed(said: Code | None, scheme: str, table: Mapping[str, str]) -> Code | None:
    if said is None or said.scheme != scheme or said.value not in table:
        return None
    return Code(said.value, scheme, table[said.value])


def title(model: ModelIdentity, vocabulary: Vocabulary) -> str:
    """What the model is called."""
    return model.title if model.title in vocabulary.texts and is_plain(model.title) else MODEL


def modality(said: str) -> str:
    """The modality, "" of one that is not of the standard's."""
    return said if said in _MODALITIES else ""


def body_part(said: str) -> str:
    """The part of the body, "" of one that is not of the standard's."""
    return said if said in _BODY_PARTS else ""


def sex(said: str) -> str:
    """The sex, "" of what is none of Patient's Sex."""
    return said if said in _SEXES else ""


def age(years: float | None) -> str:
    """The band of an age: "60 to 69", "over 89"."""
    if years is None or not 0 <= years < 150:
        return ""
    above = next((k for k, begins in enumerate(_AGES) if years < begins), len(_AGES))
    return f"over {_AGES[-1] - 1}" if above == len(_AGES) else f"{_AGES[above - 1]} to {_AGES[above] - 1}"


def interval(days: int) -> Interval:
    """How long it was, roughly."""
    return next((one for most, one in _DAYS.items() if days <= most), Interval.LONGER)


def band(probability: float) -> ScoreBand:
    """The quarter that a score lies in; the middle ones have their ends."""
    if probability < 0.25:
        return ScoreBand.LOWEST
    if probability <= 0.5:
        return ScoreBand.LOW
    return ScoreBand.HIGH if probability <= 0.75 else ScoreBand.HIGHEST


def caution(remark: str) -> Caution:
    """What a remark of a model's report comes to."""
    return next((one for pattern, one in _REMARKS if pattern.fullmatch(remark)), Caution.OTHER)

"""The words that a sentence may be made of besides what its facts bring: what is allowed, never what is not.

What is in none of these lists and in no fact is refused, whatever it means: a name, an order to the reader, a finding
that nobody has thought of. The other lists are for words that mean something which a fact has to bear out.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum


class Meaning(StrEnum):
    """What a word claims, and so what the facts must hold for it."""

    PLAIN = "nothing"
    NEGATION = "that something is not reported"
    WEAK = "that something is possible"
    MEDIUM = "that something is likely"
    UNLIKELY = "that something is unlikely"
    UP = "that something became larger"
    DOWN = "that something became smaller"
    SAME = "that something stayed as it was"
    COMPARED = "that there is an earlier study"
    LEFT = "the left side"
    RIGHT = "the right side"
    BOTH = "both sides"
    LARGEST = "that it is the largest of several"
    MOST = "that nothing of it is larger"
    SEVERAL = "that there are several"
    NUMBER = "how many there are"
    UNIT = "a unit"
    ADVICE = "what to do"
    CERTAIN = "that something is certain"
    NOVEL = "that something is new or gone"


_PLAIN = """
a an the this that these those it its they them their there here which whose each same also is are was were be
been being has have having can does do did in on of at by with to for from within and or but while whereas although
though however respectively additionally addition furthermore moreover overall finding findings image images imaging
study studies examination examinations exam scan scans radiograph radiographs film films picture pictures series slice
slices view views ct mr mri xr dx cr pet x ray tomography resonance report reports reported reporting model models
algorithm algorithms software ai analysis analyses automated automatic automatically assessment result results output
outputs evaluation impression summary show shows shown showed demonstrate demonstrates demonstrated demonstrating
reveal reveals revealed depict depicts depicted identify identifies identified identifying detect detects detected
detecting detection mark marks marked marking segment segments segmented segmentation outline outlines outlined note
notes noted see seen saw observe observed observes visible visualised visualized visualise find finds found describe
describes described display displayed displays present presence contain contains contained containing include includes
included including consist consists consisting locate located location lie lies lying situated site sites side sided
sides measure measures measured measuring measurement measurements
size sized sizes dimension dimensions value values amount amounts approximately about estimated calculated
given stated consistent compatible indicate indicates indicated represent represents representing correspond
corresponds corresponding appear appears appearance evidence sign signs score scores scored scoring band look looked
looking search searched searching assess assessed evaluate evaluated examine examined check checked patient part parts
region regions body structure structures tissue organ organs case any now currently remain remains
"""
_NEGATION = "no not without absent absence negative neither nor none free cannot"
_WEAK = (
    "possible possibly suspected suspicion may might questionable equivocal potential potentially candidate candidates"
)
_MEDIUM = "likely probable probably suggest suggests suggesting suggestive favours favors"
_UNLIKELY = "unlikely improbable"
_CERTAIN = """
definite definitely certain certainly confirmed confirm confirms proven proof proves diagnostic diagnosis diagnosed
obvious obviously clear clearly evident unequivocal unequivocally undoubtedly pathognomonic excluded excludes exclude
ruled established verified conclusive conclusively
"""
_UP = """
larger bigger increased increase increases increasing grown grew grows growing growth progressing enlarged enlarging
enlargement longer more
"""
_DOWN = """
smaller decreased decrease decreases decreasing shrunk shrunken shrinking shrinkage reduced reduction shorter less
"""
_SAME = "unchanged stable constant steady identical"
_COMPARED = """
change changes changed difference differences differ differs compared comparison comparisons since previous previously
earlier prior before than interval baseline last
"""
_NOVEL = "new newly resolved resolving resolution recurrent recurrence recurring developed developing again old"
_SEVERAL = "multiple several many numerous some few various pair couple dozen dozens countless"
_NUMBER = """
zero one single solitary two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand once twice thrice
double triple half quarter third second fourth fifth
"""
_UNIT = """
mm cm m ml l dl cc hu suv suvbw suvlbm g mg kg millimetre millimeter centimetre centimeter metre meter millilitre
milliliter litre liter hounsfield unit gram milligram kilogram percent percentage pixel voxel day week month year hour
inch
"""
_ADVICE = """
recommend recommended recommends recommendation recommendations recommending advise advised advice advisable should
must ought shall need needs needed require requires required warrant warrants warranted consult consultation refer
referral biopsy surgery surgical treat treatment treated therapy urgent urgently immediate immediately emergency
correlate correlation correlated follow followup surveillance repeat repeated rescan monitor monitoring
intervention admit discharge prescribe please ensure obtain schedule
"""

_LISTS: Mapping[Meaning, str] = {
    Meaning.PLAIN: _PLAIN,
    Meaning.NEGATION: _NEGATION,
    Meaning.WEAK: _WEAK,
    Meaning.MEDIUM: _MEDIUM,
    Meaning.UNLIKELY: _UNLIKELY,
    Meaning.CERTAIN: _CERTAIN,
    Meaning.UP: _UP,
    Meaning.DOWN: _DOWN,
    Meaning.SAME: _SAME,
    Meaning.COMPARED: _COMPARED,
    Meaning.NOVEL: _NOVEL,
    Meaning.SEVERAL: _SEVERAL,
    Meaning.NUMBER: _NUMBER,
    Meaning.UNIT: _UNIT,
    Meaning.ADVICE: _ADVICE,
    Meaning.LEFT: "left leftward",
    Meaning.RIGHT: "right rightward",
    Meaning.BOTH: "both bilateral bilaterally",
}
NUMBERS: Mapping[str, int] = {
    word: number
    for number, words in enumerate(
        (
            *("zero", "one single solitary", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
            *("eleven", "twelve"),
        )
    )
    for word in words.split()
}

# British and American spellings of one word are one word; plurals that the rule below does not find.
_SPELLINGS: Mapping[str, str] = {
    "tumour": "tumor",
    "oedema": "edema",
    "haemorrhage": "hemorrhage",
    "haematoma": "hematoma",
    "oesophagus": "esophagus",
    "anaemia": "anemia",
    "grey": "gray",
    "localised": "localized",
    "vertebrae": "vertebra",
    "pneumothoraces": "pneumothorax",
    "metastases": "metastasis",
    "diagnoses": "diagnosis",
    "atelectases": "atelectasis",
    "opacities": "opacity",
    "axes": "axis",
    "hilar": "hilum",
}


def normal(word: str) -> str:
    """One form of a word, whatever its case, number and spelling.

    >>> [normal(one) for one in ("Masses", "nodules", "axis", "Oedema", "opacities", "focus")]
    ['mass', 'nodule', 'axis', 'edema', 'opacity', 'focus']
    """
    word = word.lower()
    return _SPELLINGS.get(word) or _SPELLINGS.get(singular := _singular(word)) or singular


def spelled(text: str) -> tuple[str, ...]:
    """The words of a text, each in its one form."""
    return tuple(normal(one) for one in text.split())


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def is_plural(word: str) -> bool:
    """Whether it says that there are several."""
    return normal(word) != _SPELLINGS.get(word.lower(), word.lower())


def _meanings() -> Iterator[tuple[str, Meaning]]:
    for meaning, words in _LISTS.items():
        for word in words.split():
            yield normal(word), meaning


# The last list that has a word is the one that counts: what claims something is never plain.
MEANINGS: Mapping[str, Meaning] = dict(_meanings())

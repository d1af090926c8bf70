"""What a package may call a thing: a plain term, which names it, and no sentence, which claims something of it.

Reports, pages and impressions quote these words as they are. A term that ends a sentence and begins another, or that
says that nothing is there, would be read as what the node says of a patient.
"""

import re
import unicodedata

LONGEST = 64  # LO (PS3.5 section 6.2)
_MOST_WORDS = 9
_BETWEEN = frozenset(" ,()/'\N{RIGHT SINGLE QUOTATION MARK}+-_&%")
_POINT = re.compile(r"(?<=\d)\.(?=\d)")  # "T2 1.5"
# That something is not there, that all is well, that it is so, or what to do. "Tumor core that does not enhance" names
# a thing, and so does a hydrocephalus of normal pressure.
_CLAIM = re.compile(
    r"\b(no|none|nothing|neither|nor|(?<!do )(?<!does )not|normal(?! pressure)|unremarkable|healthy|negative"
    r"|is|are|was|were|be|has|have|seen|shown|reported|excluded|confirmed"
    r"|recommend(ed|s)?|should|must|please|ignore|urgent(ly)?)\b",
    re.IGNORECASE,
)


def fault(said: str) -> str:
    """What a label, a title or a meaning must be, where it is not; "" where nothing is wrong with it.

    >>> fault("Ventral diencephalon, both sides"), fault("Normal chest. No nodule")
    ('', 'must name a thing and say nothing of it: "." is in no term')
    """
    if not 0 < len(said) <= LONGEST:
        return f"must have 1 to {LONGEST} characters"
    if strange := next((one for one in _POINT.sub("", said) if not _is_of_a_term(one)), ""):
        shown = f'"{strange}"' if strange.isprintable() else "what cannot be seen"
        return f"must name a thing and say nothing of it: {shown} is in no term"
    if len(said.split()) > _MOST_WORDS:
        return f"must name a thing and say nothing of it, in {_MOST_WORDS} words at the most"
    if claim := _CLAIM.search(said):
        return f'must name a thing and say nothing of it: "{claim[0]}" does'
    return ""


def claims(said: str) -> bool:
    """Whether words say something of a patient, or to a reader, instead of naming a thing."""
    return bool(_CLAIM.search(said))


def _is_of_a_term(letter: str) -> bool:
    return letter in _BETWEEN or unicodedata.category(letter)[0] in "LMN"

"""One value of an attribute that may stay: as it is, as another, or "" where it may not, by its VR (PS3.5 6.2)."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from pydicom.valuerep import format_number_as_ds

from dicom_node.deidentification.pseudonyms import Pseudonyms, moved
from dicom_node.deidentification.words import STRUCK, Cleaner

# Characters that a value has room for.
_ROOM: Mapping[str, int] = {"SH": 16, "LO": 64, "CS": 16, "ST": 1024, "LT": 10240}
_WHOLE = re.compile(r"[+-]?\d{1,6}")  # an id, or a date with its century, is longer
# What counts photons, or is of small units, has more digits than that.
_COUNT = re.compile(r"[+-]?\d{1,10}")
_COUNTS = frozenset({
    "ActualFrameDuration", "CountsAccumulated", "ExposureInuAs", "PrimaryPromptsCountsAccumulated",
    "SecondaryCountsAccumulated",
})  # fmt: skip
_LONGEST_DECIMAL = 16
_LONGEST_READ = 64
_DAY = re.compile(r"\d{8}")
_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?")
_MOMENT = re.compile(r"(\d{8})((?:[01]\d|2[0-3])(?:[0-5]\d(?:[0-5]\d(?:\.\d{1,6})?)?)?)?(?:[+-]\d{4})?")
# Terms of the standard, and words of makers where it lists too few.
_TERMS_OR_WORDS = ("BodyPartExamined", "ContentLabel")


@dataclass(frozen=True)
class Values:
    """Judges values; dates are moved by `distance`."""

    pseudonyms: Pseudonyms
    cleaner: Cleaner
    distance: timedelta

    def of(self, vr: str, said: str, keyword: str) -> str:
        """What may stay of a value with this VR of the dictionary's; nothing of a VR that is not listed here."""
        bare = said.strip("\0 ")
        made = self._by_vr.get(vr, _nothing)(bare)
        if keyword in _COUNTS and _COUNT.fullmatch(bare):
            made = bare
        if keyword in _TERMS_OR_WORDS and not made:
            made = self._words_alone(bare)
        return made[: _ROOM.get(vr, len(made))].rstrip()

    @property
    def _by_vr(self) -> Mapping[str, Callable[[str], str]]:
        texts = dict.fromkeys(("LO", "SH", "ST", "LT", "UT", "UC"), self.cleaner.text)
        return {
            **texts,
            "UI": self.pseudonyms.uid,
            "CS": self.cleaner.term,
            "IS": lambda said: said if _WHOLE.fullmatch(said) else "",
            "DS": _decimal,
            "DA": lambda said: moved(said, self.distance) if _DAY.fullmatch(said) else "",
            "TM": lambda said: said if _TIME.fullmatch(said) else "",
            "DT": self._moment,
        }

    def _words_alone(self, said: str) -> str:
        cleaned = self.cleaner.text(said)
        return "" if STRUCK in cleaned else cleaned.upper()

    def _moment(self, said: str) -> str:
        """A date and time, without its offset from UTC: it says where the hospital is."""
        found = _MOMENT.fullmatch(said)
        day = moved(found[1], self.distance) if found else ""
        return f"{day}{found[2] or ''}" if found and day else ""


def _nothing(said: str) -> str:
    return ""


def _decimal(said: str) -> str:
    """A finite number; shortened to what a DS has room for where a maker wrote it with more digits."""
    try:
        if len(said) > _LONGEST_READ or "_" in said or not math.isfinite(float(said)):
            return ""
    except ValueError:
        return ""
    return said if len(said) <= _LONGEST_DECIMAL else format_number_as_ds(float(said))

"""What an archive says of the studies that it has, whatever way it is asked (`dicom_node.scu.kinds`)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from dicom_node.outside import whole, words

# More studies of a patient, series of a study and instances than anybody has.
MOST_STUDIES, MOST_SERIES, MOST_INSTANCES = 500, 1000, 100_000
_LONGEST_CODE = 16  # characters of a Code String (PS3.5 6.2)

_WILD = frozenset("*?\\")
_DATE = re.compile(r"[0-9]{8}")


@dataclass(frozen=True)
class Counts:
    """How many series and instances an archive has of a study, and how many of each series; None: it does not say.

    An archive that has nothing of a study has 0 of it.
    """

    series: int | None = None
    instances: int | None = None
    by_series: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class PatientKeys:
    """By what an archive is asked for a patient's studies. It is identity: it is asked with, and kept nowhere."""

    patient_id: str
    issuer: str = ""
    birth_date: str = ""

    def may_be_asked_for(self, also_wild: str = "") -> bool:
        """Whether a query by this Patient ID means it alone; `also_wild` are characters that mean more there.

        Of a wild card or a backslash a peer would make a pattern, or several values (PS3.4 C.2.2.2).
        """
        ident = self.patient_id
        return bool(ident) and ident.isascii() and not set(ident) & _WILD.union(also_wild)

    def are_of(self, patient_id: str, birth_date: str) -> bool:
        """Whether an answer that names these is the patient's: another id, or another birth date, is somebody else."""
        return patient_id == self.patient_id and (not self.birth_date or birth_date in ("", self.birth_date))


@dataclass(frozen=True)
class ArchivedStudy:
    """A study of the patient's in an archive; `date` is its Study Date as `YYYYMMDD`, "" where none is stated."""

    uid: str
    date: str = ""
    modalities: frozenset[str] = frozenset()

    @classmethod
    def told(cls, uid: str, date: str, modalities: Iterable[str] = ()) -> Self:
        """The study in an archive's own words; what is no date, and no modality, it does not say."""
        named = frozenset(words(one, _LONGEST_CODE) for one in modalities)
        return cls(uid, date if _DATE.fullmatch(date) else "", named - {""})


@dataclass(frozen=True)
class ArchivedSeries:
    """A series of a study in an archive; "" and None are what the archive does not say."""

    uid: str
    modality: str = ""
    body_part: str = ""
    instances: int | None = None

    @classmethod
    def told(cls, uid: str, modality: str, body_part: str, instances: str) -> Self:
        """The series in an archive's own words; a number that can be none it does not say."""
        return cls(
            uid, words(modality, _LONGEST_CODE), words(body_part, _LONGEST_CODE), whole(instances, 1, MOST_INSTANCES)
        )


@dataclass(frozen=True)
class Fetched:
    """How many instances an archive says to have sent, and how many it could not."""

    sent: int
    failed: int = 0

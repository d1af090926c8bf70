"""What an archive says of the studies that it has, whatever way it is asked (`dicom_node.scu.kinds`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field


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


@dataclass(frozen=True)
class ArchivedStudy:
    """A study of the patient's in an archive; `date` is its Study Date as `YYYYMMDD`, "" where none is stated."""

    uid: str
    date: str = ""
    modalities: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ArchivedSeries:
    """A series of a study in an archive; "" and None are what the archive does not say."""

    uid: str
    modality: str = ""
    body_part: str = ""
    instances: int | None = None


@dataclass(frozen=True)
class Fetched:
    """How many instances an archive says to have sent, and how many it could not."""

    sent: int
    failed: int = 0

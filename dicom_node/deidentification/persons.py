"""Whose an object is: one person for all objects of a study that say no more than one, however much each says."""

from dataclasses import dataclass, field

from pydicom.dataset import Dataset

from dicom_node.attributes.files import by_pydicom

# Issuer and id of a patient; "" of what is not stated.
Person = tuple[str, str]


@dataclass
class Persons:
    """The persons that a study's objects name.

    Scanners, archives and other systems state the issuer of an id, and the id, or not; an object that says less than
    the others is of the person that they name, where they name one only.
    """

    _known: set[Person] = field(default_factory=set)

    def add(self, source: Dataset) -> None:
        """Note whom one object names; raises UnusableInput where it cannot be read."""
        self._known.add(_stated(source))

    def of(self, source: Dataset) -> Person:
        """Whose `source` is; an object without any id is of its study. Raises UnusableInput as `add`."""
        issuer, ident = _stated(source)
        named = {one for one in self._known if one[1] and ident in ("", one[1])}
        if len({one[1] for one in named}) == 1 and not issuer:
            issuers = {one[0] for one in named if one[0]}
            ident = next(iter(named))[1]
            issuer = next(iter(issuers)) if len(issuers) == 1 else ""
        return issuer, ident or _said(source, "StudyInstanceUID")


def _stated(source: Dataset) -> Person:
    return _said(source, "IssuerOfPatientID"), _said(source, "PatientID")


def _said(dataset: Dataset, keyword: str) -> str:
    """A value as a text, in whatever letters; raises UnusableInput where it cannot be read."""
    return str(by_pydicom(lambda: dataset.get(keyword) or "", f"its {keyword} cannot be read")).strip("\0 ")

"""Objects of one study without their persons: scrubbed, their pixels blanked, and looked at again by other means."""

import warnings
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from dicom_node.attributes.reader import text_of
from dicom_node.deidentification.classes import DOCUMENTS, IMAGES, why_not
from dicom_node.deidentification.methods import POLICY, SENTENCES
from dicom_node.deidentification.persons import Persons
from dicom_node.deidentification.pseudonyms import Pseudonyms
from dicom_node.deidentification.rescan import Identity
from dicom_node.deidentification.scrub import Scrubber, opened, written
from domain.errors import NotSuitable
from domain.findings import Code
from inference_worker.blanking import Find, blank, native


@dataclass
class Deidentifier:
    """Cleans the objects of a study, after all of them were learned: a name in one of them may stand in another.

    `find` finds text in pictures; `texts` and `codes` are what the study's model packages call things.
    """

    pseudonyms: Pseudonyms
    find: Find
    texts: Collection[str] = ()
    codes: Collection[Code] = ()
    policy: str = POLICY
    _identity: Identity = field(default_factory=Identity)
    _persons: Persons = field(default_factory=Persons)

    def learn(self, source: Path | bytes) -> None:
        """Note whom an object names; raises UnusableInput where it cannot be read."""
        with warnings.catch_warnings(action="ignore"):
            dataset = opened(source, pixels=False)
            self._persons.add(dataset)
            self._identity.add(dataset)

    def clean(self, part10: bytes) -> tuple[bytes, str, Counter[str]]:
        """The object as it may leave, the name of its file, and what was done to it.

        Raises NotSuitable with the reason where it may not, UnusableInput where it cannot be read.
        """
        # pydicom's warnings quote values.
        with warnings.catch_warnings(action="ignore"):
            return self._cleaned(part10)

    def _cleaned(self, part10: bytes) -> tuple[bytes, str, Counter[str]]:
        source = opened(part10)
        sop_class = text_of(source, "SOPClassUID")
        if reason := why_not(sop_class):
            raise NotSuitable(reason)
        is_image = sop_class in IMAGES
        scrubber = Scrubber(self.pseudonyms, self._identity.words, self.texts, self.codes, self._persons)
        made = scrubber.scrub(source, pixels=is_image)
        done = Counter(made.done)
        made.dataset.file_meta = source.file_meta
        if is_image:
            done["burned-in text"] = blank(made.dataset, self.find).regions
        elif sop_class not in DOCUMENTS:
            native(made.dataset)
        content = written(made.dataset)
        if self._identity.search().finds(content, SENTENCES):
            raise NotSuitable("the second look found a name or an id of the study in it")
        uids = (made.dataset.StudyInstanceUID, made.dataset.SeriesInstanceUID, made.dataset.SOPInstanceUID)
        return content, f"{made.dataset.PatientID}/{'/'.join(uids)}.dcm", done

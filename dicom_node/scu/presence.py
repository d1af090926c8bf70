"""Whether instances are at an archive that commits to nothing: by a C-FIND at the IMAGE level (PS3.4 C.6.2)."""

from collections.abc import Collection

from pydicom import Dataset

from config.peers import Peer
from dicom_node.outside import LONGEST_UID, ascii_words
from dicom_node.scu.find import STUDY_ROOT, find

_MOST = 10_000  # instances of one series


def present(
    peer: Peer, our_aet: str, study: str, instances: Collection[tuple[str, str]], timeout: float = 30.0
) -> set[str]:
    """Which of `instances`, (Series, SOP Instance UID) of one study, `peer` says that it has.

    Raises TakesNoQuery where it answers no such question, Unavailable and Retryable as `find` does.
    """
    found: set[str] = set()
    for series in {series for series, _ in instances}:
        keys = Dataset()
        keys.StudyInstanceUID, keys.SeriesInstanceUID, keys.SOPInstanceUID = study, series, ""
        answers = find(peer, our_aet, STUDY_ROOT, "IMAGE", keys, timeout, _MOST)
        found |= {_uid(one) for one in answers}
    return found & {uid for _, uid in instances}


def _uid(answer: Dataset) -> str:
    return ascii_words(str(answer.get("SOPInstanceUID", "")).encode("ascii", "replace"), LONGEST_UID + 1)

"""Whether objects are at an archive that commits to nothing: by a C-FIND at the IMAGE level (PS3.4 C.6.2)."""

from collections.abc import Mapping, Sequence

from pydicom import Dataset

from config.peers import Peer
from dicom_node import deflated, elements
from dicom_node.outside import LONGEST_UID, ascii_words
from dicom_node.scu.find import STUDY_ROOT, find
from dicom_node.scu.store import Outgoing
from domain.errors import Retryable, UnusableInput

_STUDY, _SERIES = 0x0020_000D, 0x0020_000E
_HEAD = 1 << 20  # bytes of a file in which these are
_MOST = 10_000  # instances of one series


def holds(objects: Sequence[Outgoing], peer: Peer, our_aet: str, timeout: float = 30.0) -> Mapping[str, str]:
    """Why an object is not at `peer`, by its SOP Instance UID; "" for one that the archive says it has.

    A series is asked for all that is in it: not every archive takes a list of UIDs. Raises TakesNoQuery where it
    answers no such question, Unavailable and Retryable as `find` does.
    """
    there: set[str] = set()
    for study, series in {place(one) for one in objects}:
        keys = Dataset()
        keys.StudyInstanceUID, keys.SeriesInstanceUID, keys.SOPInstanceUID = study, series, ""
        there |= {_uid(one) for one in find(peer, our_aet, STUDY_ROOT, "IMAGE", keys, timeout, _MOST)}
    return {one.sop_instance: "" if one.sop_instance in there else "it is not there" for one in objects}


def place(one: Outgoing) -> tuple[str, str]:
    """The study and the series of a file of ours."""
    try:
        if isinstance(one.file, bytes):
            head = one.file[:_HEAD]
        else:
            with one.file.open("rb") as file:
                head = file.read(_HEAD)
        _, begins = elements.file_meta(head)
        if one.transfer_syntax == elements.DEFLATED:
            head, begins = deflated.head(head[begins:], _HEAD), 0
        found = {
            tag: ascii_words(head[start:end], LONGEST_UID)
            for path, tag, start, end in elements.walk(head, one.transfer_syntax, _SERIES, begins=begins)
            if not path and tag in (_STUDY, _SERIES)
        }
        return found[_STUDY], found[_SERIES]
    except (OSError, UnusableInput, KeyError) as error:
        raise Retryable("a file of ours cannot be read for its series") from error


def _uid(answer: Dataset) -> str:
    return ascii_words(str(answer.get("SOPInstanceUID", "")).encode("ascii", "replace"), LONGEST_UID + 1)

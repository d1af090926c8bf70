"""The instances that a message refers to, by study and series, as far as it names them."""

from collections.abc import Iterator

from pydicom import Dataset

from dicom_node.attributes.reader import is_uid, items_of, text_of


def sop_uids(item: Dataset, *keywords: str) -> Iterator[str]:
    """The Referenced SOP Instance UIDs in these sequences of an item."""
    for keyword in keywords:
        for reference in items_of(item, keyword):
            uid = text_of(reference, "ReferencedSOPInstanceUID")
            if is_uid(uid):
                yield uid

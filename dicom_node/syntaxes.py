"""What the node stores: every storage SOP class and transfer syntax of the standard (PS3.6 annex A).

pydicom's UID dictionary, and what the standard has gained since.
"""

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import cast

from dicom_node.dimse import Status

VERIFICATION = "1.2.840.10008.1.1"

_LATER_SOP_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.9.100.1",  # Waveform Presentation State
    "1.2.840.10008.5.1.4.1.1.9.100.2",  # Waveform Acquisition Presentation State
    "1.2.840.10008.5.1.4.1.1.66.7",  # Label Map Segmentation
    "1.2.840.10008.5.1.4.1.1.66.8",  # Height Map Segmentation
)
_LATER_TRANSFER_SYNTAXES = (
    "1.2.840.10008.1.2.4.110",  # JPEG XL Lossless
    "1.2.840.10008.1.2.4.111",  # JPEG XL JPEG Recompression
    "1.2.840.10008.1.2.4.112",  # JPEG XL
    "1.2.840.10008.1.2.8.1",  # Deflated Image Frame Compression
)
# Their keyword speaks of storage, but nothing is stored under them by C-STORE: services of their own, and DICOMDIR.
_NO_STORAGE = ("StorageCommitment", "MediaStorageDirectory")
# Real-time video (PS3.22), MIME and XML are encodings for other transports than a DIMSE data set (PS3.5 section 10).
_NO_DATA_SET = ("SMPTEST2110", "RFC2557MIME", "XMLEncoding")


@cache
def storage_sop_classes() -> frozenset[str]:
    """All storage SOP classes of the standard, retired ones and non-patient objects included; not DICOS, DICONDE."""
    return frozenset(_LATER_SOP_CLASSES).union(
        uid
        for uid, (_, kind, info, _, keyword) in _uid_dictionary().items()
        if kind == "SOP Class"
        and "Storage" in keyword
        and not keyword.startswith(_NO_STORAGE)
        and not info.startswith(("DICOS", "DICONDE"))
    )


@cache
def transfer_syntaxes() -> frozenset[str]:
    """All transfer syntaxes of the standard that can encode a data set on an association, retired ones included."""
    return frozenset(_LATER_TRANSFER_SYNTAXES).union(
        uid
        for uid, (_, kind, _, _, keyword) in _uid_dictionary().items()
        if kind == "Transfer Syntax" and not keyword.startswith(_NO_DATA_SET)
    )


def fault(sop_class: str, transfer_syntax: str) -> tuple[Status, str] | None:
    """Why a file of these is not stored that comes by another way than an association, which would not accept them."""
    if sop_class not in storage_sop_classes():
        return Status.SOP_CLASS_NOT_SUPPORTED, "its SOP class is none of the standard's storage classes"
    if transfer_syntax not in transfer_syntaxes():
        return Status.TRANSFER_SYNTAX_NOT_SUPPORTED, "its transfer syntax is none of the standard's"
    return None


@cache
def _uid_dictionary() -> Mapping[str, tuple[str, str, str, str, str]]:
    """Name, kind, information, retirement and keyword of each UID that pydicom knows.

    The dictionary has no public name; the UIDs that have one are those that are not retired. Its file is read by
    itself: the package brings NumPy along, and a listener is to answer at once.
    """
    package = find_spec("pydicom")
    assert package is not None and package.origin is not None
    spec = spec_from_file_location("_pydicom_uids", Path(package.origin).with_name("_uid_dict.py"))
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast(Mapping[str, tuple[str, str, str, str, str]], module.UID_dictionary)

"""DIMSE statuses in words, as PS3.4 (table B.2-1) and PS3.7 (annex C) name them. Pure functions."""

from collections.abc import Mapping

SUCCESS = 0x0000

# PS3.7 annex C; of storage, PS3.4 table B.2-1.
_NAMES: Mapping[int, str] = {
    SUCCESS: "success",
    0x0001: "requested optional attributes are not supported",
    0x0105: "no such attribute",
    0x0106: "invalid attribute value",
    0x0107: "attribute list error",
    0x0110: "processing failure",
    0x0111: "duplicate SOP instance",
    0x0112: "no such SOP instance",
    0x0113: "no such event type",
    0x0114: "no such argument",
    0x0115: "invalid argument value",
    0x0116: "attribute value out of range",
    0x0117: "invalid SOP instance UID",
    0x0118: "no such SOP class",
    0x0119: "class-instance conflict",
    0x0120: "missing attribute",
    0x0121: "missing attribute value",
    0x0122: "SOP class not supported",
    0x0123: "no such action",
    0x0124: "not authorized",
    0x0210: "duplicate invocation",
    0x0211: "unrecognized operation",
    0x0212: "mistyped argument",
    0x0213: "resource limitation",
    0xB000: "coercion of data elements",
    0xB006: "elements discarded",
    0xB007: "data set does not match SOP class",
    0xFE00: "cancel",
    0xFF00: "pending",
    0xFF01: "pending",
}
# Ranges of storage: what is under the mask.
_RANGES = (
    (0xFF00, 0xA700, "out of resources"),
    (0xFF00, 0xA900, "data set does not match SOP class"),
    (0xF000, 0xC000, "cannot understand"),
)
# PS3.7 annex C: the status types by their codes; 0107 and 0116 are warnings of services that change objects.
_WARNINGS = {0x0001, 0x0107, 0x0116}


def is_taken(status: int) -> bool:
    """Whether what was asked was done, be it with a warning."""
    return status == SUCCESS or is_warning(status)


def is_warning(status: int) -> bool:
    """Whether the operation was done, with something to say (PS3.7 C.3)."""
    return status & 0xF000 == 0xB000 or status in _WARNINGS


def name(status: int) -> str:
    """A status in words, "" where the standard has none for it."""
    return _NAMES.get(status) or next((words for mask, code, words in _RANGES if status & mask == code), "")


def code(status: int) -> str:
    """A status as people look it up: `status A700H`."""
    return f"status {status:04X}H"


def described(status: int) -> str:
    """The name with the code: `out of resources (status A700H)`."""
    kind = "warning" if is_warning(status) else "failure"
    return f"{name(status) or f'{kind} that the standard does not name'} ({code(status)})"


def outcome(status: int | None, stored: bool) -> str:
    """What became of an object that was sent, with what its receiver said of it; None where it has said nothing."""
    if status is None:
        return "stored" if stored else "not stored"
    if status == SUCCESS:
        return f"stored ({code(status)})"
    if is_warning(status) and stored:
        return f"stored with a warning: {described(status)}"
    return f"{'stored' if stored else 'not stored'}: {described(status)}"

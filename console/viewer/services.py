"""Which of an archive's DICOMweb services a viewer may ask for, and which types it may answer with: two lists."""

import re

_UID = r"[0-9]+(?:\.[0-9]+)*"
_STUDY, _SERIES, _INSTANCE = (rf"/{level}/{_UID}" for level in ("studies", "series", "instances"))
# What archives call bulk data is theirs to choose; it hangs below a study and goes down from there.
_BULK = r"/bulk(?:data)?(?:/[0-9A-Za-z_-][\w.-]*)+"
_SHOWN = "(?:/rendered|/thumbnail)?"
_READING = re.compile(
    rf"/studies|/series|/instances"  # QIDO-RS (PS3.18 section 10.6)
    rf"|{_STUDY}(?:/series|/instances|{_SERIES}/instances)"
    rf"|{_STUDY}(?:{_SERIES}(?:{_INSTANCE})?)?(?:/metadata|/rendered|/thumbnail|{_BULK})?"  # WADO-RS (10.4)
    rf"|{_STUDY}{_SERIES}{_INSTANCE}/frames/[0-9]+(?:,[0-9]+)*{_SHOWN}",
    re.ASCII,
)

# What a viewer asks for. A browser runs none of them, and none names a place to go to.
_TYPES = frozenset({
    "application/dicom", "application/dicom+json", "application/json", "application/octet-stream",
    "image/jpeg", "image/png", "image/jp2", "image/jpx", "image/jph", "image/jphc", "image/jls", "image/x-jls",
    "image/dicom-rle", "image/x-dicom-rle",
})  # fmt: skip
_PARTS = "multipart/related"
_PARAMETERS = frozenset({"type", "boundary", "start", "charset", "transfer-syntax"})
_VALUE = r"(?:\"([^\"\\\x00-\x1f\x7f-\uffff]{1,200})\"|([\w!#$%&'*+.^`|~/-]{1,200}))"
_PARAMETER = re.compile(rf" *; *([\w-]+)={_VALUE}", re.ASCII)


def reads(path: str) -> bool:
    """Whether GET of this path, under the services' root, reads studies and does nothing else.

    No letter of it is encoded, so that it says the same to whoever reads it.
    """
    return _READING.fullmatch(path) is not None


def passes(kind: str) -> bool:
    """Whether an answer of this Content-Type is one that a viewer asks for, its parts too (RFC 2387)."""
    name, parameters = _read(kind) if kind.isascii() and kind.isprintable() else ("", {})
    if name == _PARTS:
        return parameters.get("type", "").partition(";")[0].strip().lower() in _TYPES and "boundary" in parameters
    return name in _TYPES


def _read(kind: str) -> tuple[str, dict[str, str]]:
    """Its name in small letters, and its parameters; ("", {}) where it is of no form that all read alike."""
    name, _, _ = kind.partition(";")
    rest, at, parameters = kind[len(name) :], 0, {}
    while at < len(rest):
        found = _PARAMETER.match(rest, at)
        if found is None or found[1].lower() not in _PARAMETERS or found[1].lower() in parameters:
            return "", {}
        parameters[found[1].lower()] = found[2] or found[3]
        at = found.end()
    return name.strip().lower(), parameters

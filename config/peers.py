"""Whom the node sends to and asks: archives by DICOM, by DICOMweb, and by Orthanc's REST API."""

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, WrapValidator, model_validator
from pydantic_core import PydanticKnownError
from pydantic_core.core_schema import ValidationInfo

from config.section import Section
from config.tls import TlsVersion
from config.values import AETitle, Flag, Name, PeerHost, PeerPort, Place, Url, Whole

# Whether it is found out if an archive keeps what it was sent.
Commit = Literal["auto", "required", "off"]
PeerKind = Literal["dicom", "dicomweb", "orthanc"]

_LABEL = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LONGEST_AET = 16  # bytes (PS3.5 6.2)
_PORTS = {"http": 80, "https": 443}
_BY_URL = re.compile(r"(?:([^=/]+)=)?(https?://.*)", re.IGNORECASE)


def _needed_by(*kinds: PeerKind, empty: str | int = "") -> WrapValidator:
    """What peers of these kinds must have, and no others may: theirs is `empty`."""

    def judged(value: Any, check: Callable[[Any], Any], info: ValidationInfo) -> Any:
        kind = info.data.get("kind")
        if kind in kinds:
            if value is None:
                raise PydanticKnownError("missing")
            return check(value)
        if value not in (None, empty):
            raise ValueError(f"is of no use to a peer of kind {kind}: {' and '.join(kinds)} alone have it")
        return empty

    return WrapValidator(judged)


def _only_of(*kinds: PeerKind) -> AfterValidator:
    """What peers of these kinds may have, and no others."""

    def judged(value: Any, info: ValidationInfo) -> Any:
        if info.data.get("kind") not in kinds and value:
            raise ValueError(f"is for peers of kind {' and '.join(kinds)} alone")
        return value

    return AfterValidator(judged)


def _label(text: str) -> str:
    if not _LABEL.fullmatch(text):
        raise ValueError("is no label of Orthanc's: 1 to 64 letters and digits of ASCII, _ and -")
    return text


def _by_kind(description: str) -> Any:
    # None never stays: it stands for what is left out until the kind is known.
    return Field(None, validate_default=True, description=description)


class Peer(Section):
    """An archive that the node speaks to."""

    kind: PeerKind = Field("dicom", description="how it is spoken to: dicom, dicomweb, or orthanc for its REST API")
    name: Name = Field(description="name in `status`, metrics and the trail; the AE title or the host if left out")
    aet: Annotated[AETitle, _needed_by("dicom")] = _by_kind("its AE title")
    host: Annotated[PeerHost, _needed_by("dicom")] = _by_kind("its address")
    port: Annotated[PeerPort, _needed_by("dicom", empty=0)] = _by_kind("its DICOM port")
    url: Annotated[Url, _needed_by("dicomweb", "orthanc")] = _by_kind(
        "of kind dicomweb the root of its service, below which /studies lies; of kind orthanc its REST API's"
    )
    user: str = Field(
        "",
        max_length=256,
        description="whom its password belongs to; of kind dicom it is sent by User Identity Negotiation, by TLS alone",
    )
    password_file: Place | None = Field(None, description="file with the user's password; nobody else may read it")
    token_file: Place | None = Field(
        None, description="file with a bearer token; whoever renews it writes it there, and it is read again"
    )
    ca: Place | None = Field(None, description="certificates (PEM) that prove its own; the system's by default")
    tls: Flag = Field(False, description="of kind dicom: speak TLS with it, which proves that it is the one")
    certificate: Place | None = Field(None, description="our certificate (PEM) for it, where it asks for one")
    key: Place | None = Field(None, description="the private key of that (PEM, no password); nobody else may read it")
    server_name: PeerHost | None = Field(
        None, description="of kind dicom: name or address that has to stand in its certificate; its `host` by default"
    )
    minimum: TlsVersion = Field("1.2", description="least version of TLS: 1.2 or 1.3")

    @property
    def address(self) -> str:
        """AET@HOST:PORT, or the URL."""
        return self.url or f"{self.aet}@{self.host}:{self.port}"

    @property
    def calling(self) -> str:
        """Its AE title; of one that has none its name, cut to be as long as one."""
        return self.aet or self.name.encode()[:_LONGEST_AET].decode("utf-8", "ignore").strip()

    @property
    def endpoint(self) -> tuple[str, int]:
        """The host and the port that it listens on."""
        if not self.url:
            return self.host, self.port
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or _PORTS[parts.scheme]

    @model_validator(mode="before")
    @classmethod
    def _parse(cls, value: object) -> object:
        if isinstance(value, str):
            value = parse_destination(value)
        if isinstance(value, dict) and "name" not in value:
            # One without any of these lacks them, and no name.
            return {**value, "name": value.get("aet") or urlsplit(str(value.get("url", ""))).hostname or "?"}
        return value


class Destination(Peer):
    """An archive that results go to."""

    profile: str = Field("default", description="which results it gets: a profile's name")
    commit: Commit = Field(
        "auto",
        description="whether it is asked to keep what it was sent, by storage commitment or else by a query: auto; "
        "required: a study is stuck where it cannot say so; off",
    )
    label: Annotated[str, AfterValidator(_label), _only_of("orthanc")] = Field(
        "", description="of kind orthanc: the label that a study has once its results are there"
    )
    label_metadata: Annotated[Whole, Field(ge=1024, le=65_535), _only_of("orthanc")] = Field(
        0, description="of kind orthanc before 1.12, which has no labels: number of the metadata that says it instead"
    )


class Source(Peer):
    """An archive that is asked about studies."""

    counts: Flag = Field(True, description="ask it how many images a study has, to know when all have come")
    priors: Flag = Field(False, description="ask it for earlier studies, for packages that compare with them")
    worklist: Annotated[Flag, _only_of("dicom")] = Field(
        False, description="of kind dicom: ask its worklist for the order of a study"
    )
    changes: Annotated[Flag, _only_of("orthanc")] = Field(
        False, description="of kind orthanc: follow its changes, and take what is new there"
    )
    changes_from: Annotated[Literal["now", "everything"], _only_of("orthanc")] = Field(
        "now", description="where to begin with its changes the first time: now, or with everything that it has"
    )


def parse_destination(text: str) -> dict[str, object]:
    """The fields of `AET@HOST:PORT`, or of the URL of a DICOMweb service; `NAME=` may stand before either.

    Raises ValueError saying what is wrong.
    """
    if written := _BY_URL.fullmatch(text):
        named = {"name": written[1]} if written[1] else {}
        return {"kind": "dicomweb", "url": written[2], **named}
    name, _, rest = text.rpartition("=")
    aet, at, address = rest.partition("@")
    host, colon, port = address.rpartition(":")
    if not (at and colon and aet and host and port.isdigit()):
        raise ValueError(f"{text!r} is not of the form AET@HOST:PORT")
    return {"name": name or aet, "aet": aet, "host": host.removeprefix("[").removesuffix("]"), "port": int(port)}

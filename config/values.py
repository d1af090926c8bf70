"""What a single setting may hold: each number finite and bounded, each name one that networks and DICOM know."""

import re
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, Strict

_AE_TITLE = re.compile(r"(?=.*[!-~])[ -\[\]-~]{1,16}")
# RFC 1123 section 2.1, and the underscore that names in container networks have.
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_MAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+){1,8}")
_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,64}")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_DEVICES = re.compile(r"auto|cpu|(auto|cuda):\d{1,4}(,(auto|cuda):\d{1,4})*")
_USER = re.compile(r"[!-+\--<>-~]{1,128}")
_FINGERPRINT = re.compile(r"(?:sha256:)?((?:[0-9a-f]{2}:?){31}[0-9a-f]{2})", re.IGNORECASE)
_MODALITY = re.compile(r"[A-Z0-9 _]{1,16}")
_YEAR = 366 * 86_400
_LONGEST_HOST = 253


def _ae_title(text: str) -> str:
    if not _AE_TITLE.fullmatch(text):
        raise ValueError("is no AE title: 1 to 16 letters of ASCII, no backslash, not all of them spaces")
    return text


def is_host(text: str) -> bool:
    """Whether a network can have a machine of this name or address."""
    try:
        ip_address(text)
    except ValueError:
        labels = text.removesuffix(".").split(".")
        # Four numbers that are no address are a slip in one.
        named = not all(label.isdecimal() for label in labels)
        return named and len(text) <= _LONGEST_HOST and all(map(_LABEL.fullmatch, labels))
    return True


def _host(text: str) -> str:
    if not is_host(text):
        raise ValueError(f"is neither a host's name nor an IP address{_of_host(text)}")
    return text


def _of_host(text: str) -> str:
    """What to write instead, where that can be told."""
    bare = re.sub(r"^[a-z]+://", "", text, flags=re.IGNORECASE)
    host, colon, port = bare.rpartition(":")
    if colon and port.isdecimal() and is_host(host.strip("[]")):
        return f": write {host.strip('[]')}, and the port as a setting of its own"
    return f": write {bare}" if bare != text and is_host(bare) else ""


def _peer(text: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        return _host(text)
    if address.is_unspecified or address.is_multicast:
        raise ValueError("is no address that anything can be sent to: write the machine's own")
    return text


def _network(text: str) -> str:
    try:
        network = ip_network(text, strict=False)
    except ValueError as error:
        raise ValueError(f"is neither an IP address nor a network such as 10.1.0.0/16{_of_network(text)}") from error
    host = text.partition("/")[0]
    if ip_address(host) != network.network_address:
        raise ValueError(f"is an address and a network in one: write {host} for that address alone, {network} for all")
    if text in {"0.0.0.0", "::"}:
        raise ValueError(f"is an address that nobody calls from; {text}/0 stands for everybody")
    return text


def _of_network(text: str) -> str:
    if "*" in text or re.fullmatch(r"[0-9.]+\s*-\s*[0-9.]+", text):
        return ": a range is written as a network"
    return f": write the address that {text} has (getent hosts {text})" if is_host(text) else ""


def split_brokers(text: str) -> list[tuple[str, int]]:
    """Host and port of each broker; raises ValueError where one is no HOST:PORT."""
    if "://" in text:
        raise ValueError("is not of the form HOST:PORT, several separated by commas: leave out what ends in ://")
    pairs = [broker.strip().rpartition(":") for broker in text.split(",")]
    if not all(is_host(host.strip("[]")) and port.isdecimal() and 0 < int(port) < 1 << 16 for host, _, port in pairs):
        raise ValueError("is not of the form HOST:PORT, several separated by commas")
    return [(host.strip("[]"), int(port)) for host, _, port in pairs]


def _brokers(text: str) -> str:
    split_brokers(text)
    return text


def _topic(text: str) -> str:
    if not _TOPIC.fullmatch(text) or text in {".", ".."}:
        raise ValueError("is no name of a topic: letters, digits, dot, underscore and hyphen, 249 at most")
    return text


def broker_user(text: str) -> str:
    """Whom a broker knows by this name alone; raises ValueError for what is none, or stands for everybody there."""
    if not _USER.fullmatch(text):
        raise ValueError("is no user of a broker: 1 to 128 letters of ASCII without space, comma and equals sign")
    if text == "*":
        raise ValueError("is everybody, to a broker: name a user")
    if text.startswith("User:"):
        raise ValueError(f"is a user with the broker's own mark: write {text.removeprefix('User:')}")
    return text


def devices(text: str) -> str:
    """Where models run; raises ValueError where it is no such place."""
    if not _DEVICES.fullmatch(text):
        raise ValueError("is neither auto nor cpu nor GPUs by number: cuda:0, or cuda:0,cuda:1")
    return text


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("is no name: 1 to 64 characters, none of them a control character")
    return text


def fingerprint(text: str) -> str | None:
    """The SHA-256 fingerprint of a certificate as 64 small letters, as `openssl x509 -fingerprint` or we print it."""
    found = _FINGERPRINT.fullmatch(text)
    return found[1].replace(":", "").lower() if found else None


def _modality(text: str) -> str:
    if not _MODALITY.fullmatch(text):
        raise ValueError("is no modality: 1 to 16 capitals, digits, spaces and underscores (PS3.5 6.2, CS)")
    return text


def _url(text: str) -> str:
    """An address of HTTP whose parts are a host's and a path's: a key in it would be shown wherever it is."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is no URL: http:// or https://, a host and a path")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("holds a user, a password or a query: keys stand in files of their own")
    return text


def _mail(text: str) -> str:
    if text and not _MAIL.fullmatch(text):
        raise ValueError("is no e-mail address: NAME@DOMAIN, in ASCII")
    return text


def _place(value: object) -> object:
    """An empty path is the current folder, which nobody means by it; what a shell makes of ~ is not made here."""
    if value == "":
        raise ValueError("is empty: write the path, or . for the current folder")
    if isinstance(value, str) and value.startswith("~"):
        raise ValueError("begins with ~, which a shell alone understands: write the whole path")
    return value


Place = Annotated[Path, BeforeValidator(_place)]
# A text is no number and no switch in a file, and Python counts true as 1; variables are read before (environment).
Whole = Annotated[int, Strict()]
Flag = Annotated[bool, Strict()]
Url = Annotated[str, AfterValidator(_url)]
Mail = Annotated[str, AfterValidator(_mail)]
AETitle = Annotated[str, AfterValidator(_ae_title)]
Host = Annotated[str, AfterValidator(_host)]
PeerHost = Annotated[str, AfterValidator(_peer)]
NameOrFingerprint = Annotated[str, AfterValidator(lambda text: fingerprint(text) or _name(text))]
Network = Annotated[str, AfterValidator(_network)]
Brokers = Annotated[str, AfterValidator(_brokers)]
BrokerUser = Annotated[str, AfterValidator(broker_user)]
Topic = Annotated[str, AfterValidator(_topic)]
Name = Annotated[str, AfterValidator(_name)]
Modality = Annotated[str, AfterValidator(_modality)]
# Port 0 takes a free one, where we listen; a peer has none such.
Port = Annotated[Whole, Field(ge=0, le=65_535)]
PeerPort = Annotated[Whole, Field(ge=1, le=65_535)]
Count = Annotated[Whole, Field(ge=1, le=4096)]
Tokens = Annotated[Whole, Field(ge=1, le=1 << 40)]
Bytes = Annotated[Whole, Field(ge=0, le=1 << 46)]
# In which something is kept: a hundred years are for ever.
Days = Annotated[float, Strict(), Field(gt=0, le=36_525, allow_inf_nan=False)]
# A time-out of no length or of an endless one is none.
Seconds = Annotated[float, Strict(), Field(ge=0.001, le=_YEAR, allow_inf_nan=False)]
# In which somebody else must act: one that no machine and no network can keep refuses everything.
Timeout = Annotated[Seconds, Field(ge=1)]
Gigabytes = Annotated[float, Strict(), Field(ge=0, le=65_536, allow_inf_nan=False)]

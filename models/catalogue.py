"""Models that others publish, and what must be known of each before it is fetched: models/catalogue.toml."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from config.tables import Document
from domain.errors import ConfigurationError

CATALOGUE = Path(__file__).with_name("catalogue.toml")
CODES = Path(__file__).with_name("codes")

# Lengths of the hexadecimal digests. SHA-1 still holds against a second file for a given digest, which is the question
# here (NIST SP 800-107 section 4.1); publishers state no better one. MD5 is not taken.
_HEX = {"sha1": 40, "sha256": 64}
_KINDS = ("bundle", "weights", "checkpoint")
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Entry:
    """One model that may be pulled.

    `kind` is "bundle" (a MONAI bundle's ZIP archive, which becomes a package), "weights" (the plain numbers of a
    MeshNet, which become one as well) or "checkpoint" (a pickled PyTorch module, which the node never opens). `digest`
    is "sha256:HEX" or "sha1:HEX" of the file at `address`, "" where none is known; `stated` says by whom. `size` is in
    bytes, 0 where nobody states it. `codes` names a file of models/codes: what a bundle's labels are coded as
    (models/bundle_manifest.py), or the manifest that fits the network of others. `converted` is the digest of the same
    network as ONNX, as somebody has written it, "" where none is known.
    """

    name: str
    title: str
    kind: str
    version: str
    address: str
    licence: str
    digest: str = ""
    stated: str = ""
    size: int = 0
    codes: str = ""
    converted: str = ""
    remark: str = ""

    @property
    def file(self) -> str:
        """The last part of its address: the file's name in a folder of files that were fetched elsewhere."""
        return self.address.rpartition("/")[2]


@dataclass(frozen=True)
class _Catalogue:
    models: tuple[Entry, ...]


def catalogue(file: Path = CATALOGUE) -> Mapping[str, Entry]:
    """The entries by name; raises ConfigurationError with file and line where one is wrong."""
    try:
        document = Document(file.read_text("utf-8"), file)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: cannot be read: {error}") from error
    entries: dict[str, Entry] = {}
    for at, entry in enumerate(document.build(_Catalogue).models):
        here = ("models", at)
        if not _NAME.fullmatch(entry.name) or entry.name in entries:
            document.wrong((*here, "name"), "must be lower-case letters, digits and underscores, and unique")
        if entry.kind not in _KINDS:
            document.wrong((*here, "kind"), f"must be one of {', '.join(_KINDS)}")
        if not re.fullmatch(r"https?://\S+/\w[\w.+-]*", entry.address):
            document.wrong((*here, "address"), "must be the address of a file, http or https")
        for key in ("digest", "converted"):
            if (stated := getattr(entry, key)) and not is_digest(stated):
                document.wrong((*here, key), "must be sha256: or sha1: and lower-case hex")
        entries[entry.name] = entry
    return entries


def is_digest(text: str) -> bool:
    """Whether `text` is ALGORITHM:HEX of an algorithm that is taken."""
    algorithm, _, value = text.partition(":")
    return bool(re.fullmatch(r"[0-9a-f]+", value)) and len(value) == _HEX.get(algorithm)


def entry(name: str, entries: Mapping[str, Entry]) -> Entry:
    """The entry called `name`; raises ConfigurationError naming those there are."""
    if name not in entries:
        raise ConfigurationError(f"the catalogue has no {name!r}; known: {', '.join(entries)}")
    return entries[name]

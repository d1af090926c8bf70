"""The outside places that have checkpoints of the trail, as whoever verifies it reads them back."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from audit.outside import claims_in
from audit.verification import Claim
from audit.witnesses.web import fetch
from config.audit import Witness
from config.settings import Settings
from domain.errors import ConfigurationError


@dataclass(frozen=True)
class Place:
    """One of them: a file, a URL, or what a setting describes."""

    name: str
    file: Path | None = None
    url: str = ""
    witness: Witness | None = None

    def claims(self) -> Iterator[Claim]:
        """Its checkpoints, in its order; raises ConfigurationError where it cannot be read."""
        if self.file is not None:
            yield from claims_in(_read(self.file), self.name)
        elif self.url:
            yield from claims_in(fetch(self.url), self.name)
        elif self.witness is not None:
            from audit.witnesses.bucket import Bucket  # noqa: PLC0415 - boto3 is an extra

            for key, text in Bucket(self.witness).read():
                yield from claims_in(text, f"{key} of {self.name}")


def configured(settings: Settings) -> Iterator[Place]:
    """The files among `audit.witnesses` that this machine has."""
    for one in settings.audit.witnesses:
        if one.file is not None and one.file.exists():
            yield Place(one.name, one.file)


def place_of(settings: Settings, said: str) -> Place:
    """What a person means by this word: a setting's name before a file's, and a URL by its look."""
    for one in settings.audit.witnesses:
        if one.name == said:
            if one.kind not in ("file", "s3"):
                raise ConfigurationError(
                    f"--witness: {said} is of kind {one.kind}, which gives nothing back: name the file in which its "
                    "receiver keeps messages"
                )
            return Place(one.name, one.file, witness=one)
    if urlsplit(said).scheme in ("http", "https"):
        return Place(said, url=said)
    return Place(said, Path(said))


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8", errors="replace")
    except OSError as error:
        raise ConfigurationError(f"--witness: {file} cannot be read: {error.strerror}") from error

"""The outside places that have checkpoints of the trail, as whoever verifies it reads them back."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from audit.notes import Checkpoint, Note, NoteError
from audit.outside import claims_in
from audit.verification import Claim
from audit.witnesses.web import fetch
from config.audit import Witness
from config.settings import Settings
from domain.errors import ConfigurationError
from roles.seal_keys import key_folder
from store.checkpoints import Publication


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


def signed_here(settings: Settings) -> Iterator[Place]:
    """What the keys signed last, where it lies beside them: whoever has the database alone cannot change it.

    Not where the newest key is of another log, which has signed nothing yet.
    """
    folder = key_folder(settings)
    known, note = folder.known(), folder.last_signed()
    if known and note.partition("\n")[0] == known[-1].verifier.name:
        yield Place(str(folder.signed_file), folder.signed_file)


def unheld(settings: Settings, told: Iterable[Publication], claims: Mapping[str, Sequence[Claim]]) -> Iterator[str]:
    """Of each file among `audit.witnesses`, in words, what of its checkpoints is not there to be held against.

    `told` is how far each place was given checkpoints, before its `claims` were read, by its name.
    """
    given = {one.witness: one.size for one in told}
    for one in settings.audit.witnesses:
        if one.file is None:
            continue
        if one.name not in claims:
            yield f"{one.name}: {one.file} is not there, and was not held against the trail"
            continue
        largest = max((_size(claim) for claim in claims[one.name]), default=0)
        if largest < (size := given.get(one.name, 0)):
            yield (
                f"{one.name}: {one.file} has checkpoints of up to {largest} entries, and was given one of {size}: "
                "lines of it are gone"
            )


def _size(claim: Claim) -> int:
    try:
        return Checkpoint.parse(Note.parse(claim.note).text).size
    except NoteError:
        return 0


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

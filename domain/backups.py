"""What a backup says of itself: when it was made, of what, and the digest of each of its files."""

from dataclasses import dataclass

#: Of the form of the folder; a release reads its own and none that is later.
FORM = 1


@dataclass(frozen=True)
class Proven:
    """A file of a backup, with its digest."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Backup:
    """`files` are all but the objects, which stand in the list that is one of them.

    `revision` is that of the database's schema, `trail` the number of the trail's last entry and `head` its hash. With
    `whole` nothing had come that the index had not read: the spool held nothing, or is in the backup. `damaged` are
    objects that are not what their names say, as they are.
    """

    form: int
    made_at: str
    version: str
    revision: str
    studies: int
    trail: int
    head: str
    objects: int
    bytes: int
    database: str
    listing: str
    whole: bool
    damaged: tuple[str, ...]
    files: tuple[Proven, ...]

    def has(self, name: str) -> bool:
        """Whether this file is in it."""
        return any(one.name == name for one in self.files)

"""What the trail itself says of its archive. Pure: the entries behind what is archived, as they pass.

Which entries lie in files a table of the database says, and whoever owns the database can write there what they like.
The trail has the entry with which a part began, which is signed since then, and the one by which a part was taken out.
"""

from collections.abc import Mapping

from audit.actions import Action
from domain.json_records import json_object

_BEGUN = f'"action":"{Action.PART_BEGUN}"'
_MOVED = tuple(f'"action":"{one}"' for one in (Action.PART_ARCHIVED, Action.PART_PUT_BACK))


class ArchiveEntries:
    """Holds the newest part that is archived, `first` to `last` in the file of SHA-256 `digest`, against the entries.

    The entry that tells of it lies behind it, and so does none of an older part for certain: oldest parts go first.
    """

    def __init__(self, first: int, last: int, digest: bytes) -> None:
        self._first = first
        self._last = last
        self._digest = digest.hex()
        self._ended = False  # whether the next part begins where this one is said to end
        self._file: object = None  # the SHA-256 that the last entry about this part names; None: it was put back

    def see(self, number: int, entry: str) -> None:
        """The next entry behind what is archived."""
        if number == self._last + 1 and _BEGUN in entry:
            self._ended = _details(entry, Action.PART_BEGUN).get("first") == number
        elif any(one in entry for one in _MOVED):
            for action in (Action.PART_ARCHIVED, Action.PART_PUT_BACK):
                said = _details(entry, action)
                if (said.get("first"), said.get("last")) == (self._first, self._last):
                    self._file = said.get("sha256") if action == Action.PART_ARCHIVED else None

    def objection(self) -> str:
        """Why these entries were not archived, as the trail tells it: "" where they were."""
        if not self._ended:
            return f"no part of the trail ends with entry {self._last}: they were taken out past the node"
        if self._file != self._digest:
            return "no entry says that they were archived into such a file: they were taken out past the node"
        return ""


def _details(entry: str, action: Action) -> Mapping[str, object]:
    """Those of an entry of this action; none of any other, or of what is no entry."""
    try:
        said = json_object(entry)
        details = said["details"]
    except (ValueError, KeyError, RecursionError):
        return {}
    return details if said.get("action") == action and isinstance(details, Mapping) else {}

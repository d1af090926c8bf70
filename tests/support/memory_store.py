"""An object store in memory, held to the folder's contract by tests/contract/test_object_stores.py."""

from collections.abc import Iterable
from pathlib import Path

from domain.errors import Permanent
from store.objects import Buffer


class MemoryStore:
    """Objects in memory, for tests of what uses a store; held to the same contract as the folder."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}

    def put(self, key: str, parts: Iterable[Buffer]) -> None:
        self._objects[key] = b"".join(parts)

    def get(self, key: str) -> bytes:
        try:
            return self._objects[key]
        except KeyError as error:
            raise Permanent(f"object {key} is not in the store") from error

    def path(self, key: str) -> Path:
        raise Permanent(f"object {key} is in memory and has no file")

    def exists(self, key: str) -> bool:
        return key in self._objects

    def delete(self, key: str) -> None:
        self._objects.pop(key, None)

    def sync(self) -> None:
        """Nothing to wait for."""

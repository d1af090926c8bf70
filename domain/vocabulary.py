"""What a model package calls things: the only words of its findings that may be said outside of the node's rooms."""

from dataclasses import asdict, astuple, dataclass

from domain.findings import Code
from domain.json_records import Json, JsonObject, record


@dataclass(frozen=True)
class Vocabulary:
    """Of a package's own manifest all codes and, in `texts`, its title and its labels.

    The findings of its run are made by the package's code, which has seen the images and whatever is in them.
    """

    texts: frozenset[str]
    codes: frozenset[Code]

    def to_json(self) -> dict[str, Json]:
        """Plain JSON, the same for the same words; `from_json` is its inverse."""
        return asdict(_Listed(tuple(sorted(self.texts)), tuple(sorted(self.codes, key=astuple))))

    @classmethod
    def from_json(cls, data: JsonObject) -> "Vocabulary":
        """The words that `to_json` wrote; raises ValueError where they are none."""
        read = record(_Listed, data)
        return cls(frozenset(read.texts), frozenset(read.codes))


@dataclass(frozen=True)
class _Listed:
    """A vocabulary in an order."""

    texts: tuple[str, ...]
    codes: tuple[Code, ...]

"""The words of a manifest that its results may be told in."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass

from domain.findings import Code
from domain.vocabulary import Vocabulary
from models.manifest import Manifest

_SAID = ("label", "title")


def vocabulary(manifest: Manifest) -> Vocabulary:
    """Every code of the manifest, its labels and its title."""
    found = list(_words(manifest))
    texts = frozenset(one for one in found if isinstance(one, str) and one)
    return Vocabulary(texts, frozenset(one for one in found if isinstance(one, Code)))


def _words(value: object) -> Iterator[str | Code]:
    if isinstance(value, Code):
        yield value
    elif is_dataclass(value):
        for one in fields(value):
            inner = getattr(value, one.name)
            yield from (inner,) if one.name in _SAID and isinstance(inner, str) else _words(inner)
    elif isinstance(value, Mapping):
        yield from _words(tuple(value.values()))
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for item in value:
            yield from _words(item)

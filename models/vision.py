"""Rules of a manifest whose network is of the kind "vision": questions about pictures, to a general model."""

from collections.abc import Iterator

from config.toml_lines import KeyPath
from models.manifest import VISION, Finding, Manifest

# A request of more questions is a form that no model reads with care.
_MOST = 40
_WORDS = 300
_CHOICE = 64
# What works on an array, or is made of one: no network has one here.
_OTHERS = ("preprocessing", "postprocessing", "segments", "maps", "golden")


def asks(manifest: Manifest) -> Iterator[tuple[KeyPath, str]]:
    """The keys that break a rule, each with what is wrong there."""
    if manifest.network.kind == VISION:
        yield from _manifest(manifest)
    for at, one in enumerate(manifest.findings):
        if (manifest.network.kind == VISION) != (one.question is not None):
            yield ("findings", at, "question"), f'is for each finding of a network of the kind "{VISION}", and no other'
        yield from ((("findings", at, "question", key), said) for key, said in _question(one))


def _question(one: Finding) -> Iterator[tuple[str, str]]:
    if one.question is None:
        return
    if not 0 < len(one.question.words) <= _WORDS:
        yield "words", f"must have 1 to {_WORDS} characters"
    first, second = one.question.choices
    if first == second or not all(0 < len(choice) <= _CHOICE for choice in (first, second)):
        yield "choices", f"must be two texts of 1 to {_CHOICE} characters"


def _manifest(manifest: Manifest) -> Iterator[tuple[KeyPath, str]]:
    of_kind = f'a network of the kind "{VISION}"'
    for name in _OTHERS:
        if getattr(manifest, name):
            yield (name,), f"cannot stand beside {of_kind}"
    for at, one in enumerate(manifest.inputs):
        if one.kind != "images":
            yield ("inputs", at, "kind"), f'must be "images" for {of_kind}'
        if one.conditions.burned_in is not False:
            yield ("inputs", at, "conditions"), f"must say burned_in = false for {of_kind}"
    if min(manifest.network.shape[2:], default=0) < 1:
        yield ("network", "shape"), "must state the rows and columns that a picture has at the most"
    if [one.channel for one in manifest.findings] != list(range(len(manifest.findings))):
        yield ("findings",), f"must have the channels 0, 1, 2 ... of {of_kind}"
    if len(manifest.findings) > _MOST:
        yield ("findings",), f"must be {_MOST} tables at the most for {of_kind}"
    if manifest.identity.product:
        yield ("identity", "product"), f"must be false of {of_kind}: a general model was made for no question"

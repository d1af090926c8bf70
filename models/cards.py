"""The sentences of a model's card that everybody who reads its results must have: intended use, training data, limits.

A card is prose in Markdown for people; only the beginning of these three sections is read, as plain text.
"""

import re

CARD = "card.md"

# The headings by which cards call a section, those of a drafted card among them.
_HEADINGS = {
    "Intended use": ("intended use", "what it is for"),
    "Training data": ("training data", "how it was made"),
    "Limits": ("limits", "when it fails"),
}
_UNWRITTEN = "fill in:"  # what a drafted card says where its author has not written yet
_MOST = 750  # characters of a section: a page has room for three of these, and readers for no more
_MORE = " ... (more in the model's card)"

_HEADING = re.compile(r"^#{1,6}[ \t]+(.*?)[ \t#]*$", re.MULTILINE)
_BULLET = re.compile(r"^[ \t]*([-*+]|\d+\.)[ \t]+", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
# Files of the repository, which who reads a page has not: an aside on one, a program of it, the package's own.
_ASIDE = re.compile(r"[ \t\n]*\(`[^`()]*\.\w+`[^()]*\)")
_PROGRAM = re.compile(r"`[\w/]+\.py`")
_MANIFEST = re.compile(r"`manifest\.toml`")
_MARKS = re.compile(r"\*\*|__|`")


def sentences(card: str) -> tuple[str, ...]:
    """Of each of the three sections its first paragraph or list, behind its name; nothing of one that is absent."""
    parts = _HEADING.split(card)
    sections = [(heading.lower(), body) for heading, body in zip(parts[1::2], parts[2::2], strict=True)]
    bodies = dict(reversed(sections))  # what a card quotes of others comes after its own words
    found = ((name, next((bodies[one] for one in called if one in bodies), "")) for name, called in _HEADINGS.items())
    texts = ((name, _plain(body)) for name, body in found)
    return tuple(f"{name}: {text}" for name, text in texts if text and not text.lower().startswith(_UNWRITTEN))


def unwritten(card: str) -> tuple[str, ...]:
    """The headings of the sections that a drafted card's author has not written yet."""
    parts = _HEADING.split(card)
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    return tuple(heading for heading, body in pairs if body.strip().lower().startswith(_UNWRITTEN))


def _plain(body: str) -> str:
    """The first paragraph, or the list, without Markdown's marks and without names of files."""
    block = _ASIDE.sub("", re.split(r"\n[ \t]*\n", body.strip(), maxsplit=1)[0])
    block = _MANIFEST.sub("the package's manifest", _PROGRAM.sub("a program", block))
    bare = _MARKS.sub("", _LINK.sub(r"\1", _BULLET.sub("", block)))
    return _cut(" ".join(bare.split()))


def _cut(text: str) -> str:
    """`text` up to the last sentence that has room, else the last word, and that it goes on."""
    if len(text) <= _MOST:
        return text
    head = text[: _MOST - len(_MORE)]
    end = head.rfind(". ")
    return (head[: end + 1] if end > 0 else head.rpartition(" ")[0] or head) + _MORE

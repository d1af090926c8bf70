"""The text of a command's help, from a docstring, whose lines end where the source is full and not the terminal."""

import re

_EXAMPLES = re.compile(r"Examples?:\s+")


def flowing(text: str) -> str:
    """Paragraphs without ends of lines in them, which a terminal breaks where it is full; examples a line each."""
    return "\n\n".join(map(_flowing, re.split(r"\n\s*\n", text.strip())))


def _flowing(paragraph: str) -> str:
    if paragraph.startswith("\b"):  # as it is
        return paragraph
    paragraph = paragraph.strip()
    heading = _EXAMPLES.match(paragraph)
    if heading is None:
        return " ".join(paragraph.split())
    examples = re.split(r"\s{2,}|\n", paragraph[heading.end() :].strip())
    return "\n  ".join([heading.group().strip(), *examples])

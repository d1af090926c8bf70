"""The lines of commands that the documents tell a reader to type."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from tests.support.counterparts import ROOT

DOCUMENTS = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
)
# As a person types it: by its path, with sudo before it, or in a container.
_TYPED = re.compile(r"(?:^|[/\s])dicom-node (?![-/])(\S.*)$|docker compose run --rm (?:console|auditor) (\S.*)$")


def typed(path: Path) -> Iterator[list[str]]:
    """The words of each line in a block of a document, without the program's name and what is said beside it."""
    document = path.read_text("utf-8")
    blocks = re.findall(r"```[a-z]*\n(.*?)```", document, re.DOTALL) + re.findall(
        r"^ {4,}(.+)$", document, re.MULTILINE
    )
    for line in (line for block in blocks for line in block.splitlines()):
        found = _TYPED.search(re.split(r"(?<=\S)\s{2,}", line)[0])
        if found:
            yield shlex.split(re.split(r"[|;&>]", found[1] or found[2])[0])

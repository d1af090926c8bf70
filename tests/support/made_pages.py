"""Tables of pages that are made from the code, between marks of the pages.

    .venv/bin/python -m tests.support.made_pages             renews the tables of all pages
    .venv/bin/python -m tests.support.made_pages --judge     asks the judges about the sample files first

A part that is made begins with `<!-- made: NAME -->` and ends with `<!-- end -->`.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping

from tests.support import air, conformance, friday, interoperability, permissions_table, trail_table
from tests.support.counterparts import ROOT

PAGES = (
    ROOT / "docs" / "conformance.md",
    ROOT / "docs" / "ihe-air.md",
    ROOT / "docs" / "friday.md",
    ROOT / "docs" / "audit.md",
    ROOT / "docs" / "security.md",
)
TABLES: Mapping[str, Callable[[], str]] = {
    **conformance.TABLES,
    **interoperability.TABLES,
    **air.TABLES,
    **friday.TABLES,
    **trail_table.TABLES,
    **permissions_table.TABLES,
}
_MADE = re.compile(r"(<!-- made: ([\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def renewed(text: str, but: frozenset[str] = frozenset()) -> str:
    """The page with every table made anew, except those named in `but`."""
    return _MADE.sub(lambda found: found[0] if found[2] in but else _part(found), text)


def _part(found: re.Match[str]) -> str:
    return f"{found[1]}{TABLES[found[2]]()}{found[3]}"


def made(text: str) -> Iterator[str]:
    """The names of the tables of a page."""
    return (found[2] for found in _MADE.finditer(text))


def main(arguments: list[str]) -> None:
    """Renew the pages; the verdicts only where that is asked for, since it takes the judges."""
    for page in PAGES:
        text = page.read_text("utf-8")
        if "--judge" in arguments:
            # The verdicts first: the other tables of the page tell of them.
            page.write_text(text := renewed(text, frozenset(TABLES) - {air.VERDICTS}), "utf-8")
        page.write_text(renewed(text, frozenset({air.VERDICTS})), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])

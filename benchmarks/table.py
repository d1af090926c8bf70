"""Results as text: Markdown tables, and RESULTS.md, in which every benchmark has one section."""

from collections.abc import Sequence
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
_INTRODUCTION = """# Results

Each section is the newest run of one benchmark, on the machine that it names. Only ratios within a table mean anything
elsewhere: everything in it was measured in one run, in turn. `make bench` writes this file.
"""


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, its columns padded so that it reads well as plain text; the first is aligned to the left."""
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(_line(row, widths) for row in (heads, rule, *rows))


def seconds(value: float) -> str:
    """A duration with as many digits as are worth reading."""
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"


def megabytes(size: int) -> str:
    """A size in megabytes (1e6 bytes)."""
    return f"{size / 1e6:.0f} MB"


def keep(section: str, text: str, path: Path = RESULTS) -> None:
    """Put `text` under the heading `section` of the file of results, in the place of what stood there."""
    before = path.read_text().split("\n## ") if path.exists() else [_INTRODUCTION]
    sections = dict(part.split("\n", 1) for part in before[1:])
    sections[section] = f"\n{text.strip()}\n"
    path.write_text(
        "".join([before[0].rstrip() + "\n", *(f"\n## {name}\n{body.rstrip()}\n" for name, body in sections.items())])
    )


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    return " | ".join(["| " + first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]) + " |"

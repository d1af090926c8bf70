"""A function does one thing, and a file is one matter: how long both are stays where it is as the project grows."""

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median, quantiles

from tests.support.counterparts import ROOT

_ROOMS = (
    *("audit", "config", "console", "consumers", "dicom_node", "domain"),
    *("inference_worker", "models", "roles", "sr_writer", "store", "summary", "training"),
)


def files() -> Iterator[Path]:
    """The product's own code; a migration is as long as what it changes."""
    for room in _ROOMS:
        yield from (file for file in (ROOT / room).rglob("*.py") if "versions" not in file.parts)


def lengths(file: Path) -> Iterator[tuple[int, str]]:
    """Lines of each function's body, its docstring apart."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node, clean=False) else node.body
            yield (_last(body[-1]) - body[0].lineno + 1 if body else 0), f"{file}:{node.lineno}"


def _last(node: ast.stmt) -> int:
    assert node.end_lineno is not None
    return node.end_lineno


def _percentile(values: Sequence[int]) -> float:
    return quantiles(values, n=20)[-1]


def test_half_of_all_functions_have_four_lines_at_most_and_one_of_twenty_more_than_fifteen() -> None:
    found = [length for file in files() for length, _ in lengths(file)]
    assert median(found) <= 4
    assert _percentile(found) <= 15


def test_no_function_is_longer_than_a_screen() -> None:
    assert [where for file in files() for length, where in lengths(file) if length > 60] == []


def test_one_file_of_twenty_has_more_than_300_lines_and_none_500() -> None:
    found = {file: len(file.read_text("utf-8").splitlines()) for file in files()}
    assert _percentile(list(found.values())) <= 300
    assert [file for file, length in found.items() if length >= 500] == []

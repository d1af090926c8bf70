"""The product's own modules as syntax trees, for the tests that hold its structure."""

import ast
from dataclasses import dataclass
from functools import cache

from tests.support.counterparts import ROOT

# What is installed on a node; `training` makes packages elsewhere.
ROOMS = (
    "audit", "config", "console", "consumers", "dicom_node", "domain", "inference_worker", "models", "roles",
    "sr_writer", "store",
)  # fmt: skip


@dataclass(frozen=True)
class Module:
    """One file: its path from the root, its text and its tree."""

    path: str
    text: str
    tree: ast.Module


@cache
def modules() -> tuple[Module, ...]:
    """Every module of every room, by path."""
    files = sorted(file for room in ROOMS for file in (ROOT / room).rglob("*.py"))
    texts = ((str(file.relative_to(ROOT)), file.read_text("utf-8")) for file in files)
    return tuple(Module(path, text, ast.parse(text)) for path, text in texts)

"""The documents agree with the program: their commands exist, their links lead somewhere, what they name is there."""

import re
import shlex
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from console.cli.app import app
from domain import states
from domain.commitment import COMMITMENT, REQUEST
from domain.states import DELIVERY, JOB, PROCEDURE_STEP, STUDY, SUMMARY
from roles.table import ROLES
from tests.support.counterparts import ROOT
from tests.support.documented import DOCUMENTS

# Outside of the project, nothing of the place where it is made belongs into it.
FOREIGN = re.compile(r"(?<![\w.])/(work|tmp|root|home)/|\bsession\b|\bissues? #?\d", re.IGNORECASE)


def text(path: Path) -> str:
    return path.read_text("utf-8")


def commands(document: str) -> Iterator[str]:
    """Every `dicom-node ...` in code, inline or in a block, up to what the shell would end it by."""
    code = re.findall(r"```[a-z]*\n(.*?)```", document, re.DOTALL) + re.findall(r"`([^`\n]+)`", document)
    code += re.findall(r"^    (.+)$", document, re.MULTILINE)
    for piece in code:
        for line in piece.splitlines():
            yield from (found.strip() for found in re.findall(r"(?:^|/|\s)dicom-node ([a-z-][^|;&#`]*)", line))


def parsed(words: list[str]) -> None:
    """Fail where a word is no command or option; placeholders in capitals stand for themselves."""
    command: Any = typer.main.get_command(app)
    context = typer.Context(command)
    while hasattr(command, "get_command") and words and not words[0].startswith("-"):
        name = words.pop(0)
        _, command, _ = command.resolve_command(context, [name])  # which fails where there is none
    known = {option for parameter in command.params for option in parameter.opts}
    unknown = {word for word in words if word.startswith("--")} - known - {"--help"}
    assert not unknown, f"{command.name} has no {unknown}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_in_a_document_exists(document: Path) -> None:
    for command in commands(text(document)):
        words = shlex.split(re.split(r"\s{2,}", command)[0].replace("FILES…", "FILES"))
        parsed(words)


def test_every_command_of_the_program_is_shown_somewhere() -> None:
    shown = {" ".join(command.split()) + " " for document in DOCUMENTS for command in commands(text(document))}
    # `up` runs it; nobody else does.
    missing = [name for name in every_command() if not any(one.startswith(f"{name} ") for one in shown)]
    assert missing == ["keep-database"]


def every_command(command: Any = None, path: str = "") -> Iterator[str]:
    """The words that lead to each command, without the program's name."""
    command = command or typer.main.get_command(app)
    if not hasattr(command, "get_command"):
        yield path
        return
    context = typer.Context(command)
    for name in command.list_commands(context):
        _, found, _ = command.resolve_command(context, [name])
        yield from every_command(found, f"{path} {name}".strip())


def test_the_documents_do_show_commands() -> None:
    assert len([command for document in DOCUMENTS for command in commands(text(document))]) > 30


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", text(document)):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        path = (document.parent / name).resolve() if name else document
        assert path.exists(), f"{target} is not there"
        if anchor:
            assert anchor in anchors(text(path)), f"{target}: no such heading"


def anchors(document: str) -> set[str]:
    """The anchors of a document's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", document, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_test_that_a_document_names_is_there(document: Path) -> None:
    named = set(re.findall(r"`(test_\w+)`", text(document)))
    assert sorted(named - _tests()) == []


@cache
def _tests() -> set[str]:
    files = [file.read_text("utf-8") for file in (ROOT / "tests").rglob("test_*.py")]
    return {name for text in files for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_speaks_of_the_project_alone(document: Path) -> None:
    assert FOREIGN.findall(text(document)) == []


def test_the_first_screen_of_the_readme_has_the_two_commands_that_matter() -> None:
    first = text(ROOT / "README.md").splitlines()[:10]
    assert any(line.startswith("make demo ") for line in first)
    assert any(line.startswith("make test ") for line in first)


def test_the_readme_names_every_role() -> None:
    readme = text(ROOT / "README.md")
    assert [role for role in ROLES if f"`dicom-node {role}`" not in readme] == []


def test_the_picture_in_the_readme_is_small() -> None:
    assert 10_000 < (ROOT / "docs" / "images" / "demo.png").stat().st_size < 400_000


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", text(folder / "README.md"))
    assert listed == sorted(path.name for path in folder.glob("0*.md"))


def test_every_page_has_one_place_by_its_kind() -> None:
    folder = ROOT / "docs"
    index = text(folder / "README.md")
    kinds = re.findall(r"^## (\w[\w-]*): ", index, re.MULTILINE)
    assert kinds == ["Tutorial", "How-to", "Reference", "Explanation"]
    # The first cell of a row is a page's own place; elsewhere others may speak of it.
    placed = [name for row in re.findall(r"^\| (.+?) \|", index, re.MULTILINE) for name in links(row)]
    pages = [one.name for one in folder.glob("*.md") if one.name != "README.md"]
    assert sorted(placed) == sorted([*pages, "decisions/README.md"])


def links(cell: str) -> list[str]:
    """The pages that a cell leads to, but for parts of them."""
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", cell) if target.endswith(".md")]


TABLES: Mapping[str, Mapping[Any, StrEnum]] = {
    "study": STUDY,
    "job": JOB,
    "delivery": DELIVERY,
    "summary": SUMMARY,
    "procedure step": PROCEDURE_STEP,
    "commitment (others ask us)": COMMITMENT,
    "commitment request (we ask)": REQUEST,
}


@pytest.mark.parametrize("heading", TABLES)
def test_the_tables_of_states_are_those_of_the_code(heading: str) -> None:
    in_code = {(state.value, event.value): after.value for (state, event), after in TABLES[heading].items()}
    assert drawn(heading) == in_code


def drawn(heading: str) -> dict[tuple[str, str], str]:
    """The table of states under a heading's first cell in the architecture."""
    lines = iter(text(ROOT / "docs" / "architecture.md").splitlines())
    events = next(cells(line)[1:] for line in lines if line.startswith(f"| {heading} |"))
    found: dict[tuple[str, str], str] = {}
    next(lines)
    for line in lines:
        if not line.startswith("|"):
            return found
        names, *after = cells(line)
        for state in names.split(", "):
            found |= {(state, event): one for event, one in zip(events, after, strict=True) if one}
    return found


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def test_every_state_of_the_code_is_in_the_architecture() -> None:
    named = text(ROOT / "docs" / "architecture.md")
    every = [*states.StudyState, *states.JobState, *states.DeliveryState]
    assert [state for state in every if state.value not in named] == []

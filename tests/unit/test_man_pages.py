"""Manual pages and completions are made from the commands: none is missing, none is wrong roff, shells are answered."""

import os
import re
import shlex
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import typer

from console.cli.app import app
from console.cli.man_pages import PROGRAM, completions, pages
from tests.support.counterparts import ROOT, require

PAGES = pages(app)


def commands(command: Any = None, above: Any = None, words: tuple[str, ...] = (PROGRAM,)) -> dict[str, Any]:
    """Every command that the help shows, groups included, by its page's name."""
    command = command or typer.main.get_command(app)
    found, context = {f"{'-'.join(words)}.1": command}, typer.Context(command, parent=above)
    for name in command.list_commands(context) if hasattr(command, "list_commands") else ():
        _, one, _ = command.resolve_command(context, [name])
        if not one.hidden and not command.get_command(context, name).hidden:
            found |= commands(one, context, (*words, name))
    return found


COMMANDS = commands()


def test_every_command_has_a_page_and_no_page_is_of_none() -> None:
    assert set(PAGES) == set(COMMANDS)


def test_a_page_says_all_options() -> None:
    for name, page in PAGES.items():
        hyphened = page.replace("\\-", "-")
        for option in (text for one in COMMANDS[name].params if not getattr(one, "hidden", False) for text in one.opts):
            assert not option.startswith("--") or option in hyphened, name


def test_nothing_is_wrong_with_a_page_for_the_program_that_sets_it() -> None:
    command = [require("groff"), "-man", "-ww", "-Tutf8"]
    done = subprocess.run(command, input="".join(PAGES.values()), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_begins_with_a_point_or_holds_a_backslash_is_shown_as_it_is() -> None:
    small = typer.Typer()

    @small.command()
    def only() -> None:
        """Do.

        .TH is no heading here, nor is \\fB a font.
        """

    (page,) = pages(small).values()
    assert "\\&.TH is no heading here, nor is \\efB a font." in page


# What each shell is given to say what it would offer behind some words; the last of them is not finished.
_ASKS = {
    "bash": """
. {script}; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _dicom_node_completion dicom-node
printf "%s\\n" "${{COMPREPLY[@]}}" """,
    # Without what a terminal has: it is asked what the script hands to zsh's own completion.
    "zsh": """
compdef() {{ }}; _arguments() {{ print -r -- $@ }}; words=({words}); CURRENT=$#words; . {script}""",
    "fish": "source {script}; complete --do-complete {line}",
}


@pytest.mark.parametrize("shell", _ASKS)
def test_a_shell_completes_commands_and_options_by_the_script_that_is_written(shell: str, tmp_path: Path) -> None:
    require(shell)
    script = tmp_path / "script"
    script.write_text(next(text for place, text in completions().items() if place.startswith(shell)))
    asked = partial(_completed, shell, script, _program(tmp_path))
    assert "destinations" in asked("dest")
    assert {"pull", "verify"} & asked("models", "pu") == {"pull"}
    assert "--config" in asked("up", "--co")


def test_each_shell_has_a_script_where_it_looks() -> None:
    made = completions()
    assert {place.split("/")[0] for place in made} == {"bash-completion", "zsh", "fish"}
    assert made[f"zsh/site-functions/_{PROGRAM}"].startswith(f"#compdef {PROGRAM}\n")


_START = "from dicom_node_start import main\nmain()\n"


def _program(folder: Path) -> Path:
    program = folder / PROGRAM
    program.write_text(f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n{_START}")
    program.chmod(0o755)
    return program


def _completed(shell: str, script: Path, program: Path, *words: str) -> set[str]:
    line = shlex.join([PROGRAM, *words])
    command = [shell, "-c", _ASKS[shell].format(script=script, words=line, line=shlex.quote(line))]
    env = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "HOME": str(program.parent)}
    said = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"[\w-]+", said))

"""`man`: the manual pages and the shells' completions, made from the commands."""

from pathlib import Path
from typing import Annotated

import typer

from config.private import readable_by_others
from console.cli.man_pages import completions, pages
from console.cli.options import Json
from console.cli.output import tell
from domain.errors import ConfigurationError

app = typer.Typer()


@app.command()
def man(
    to: Annotated[
        Path,
        typer.Option("--to", metavar="DIR", help="Folder of shared data: /usr/local/share, or ~/.local/share."),
    ],
    as_json: Json = False,
) -> None:
    """Write the manual pages, and the completions for bash, zsh and fish.

    Below /usr/local/share man(1) and the shells find them by themselves: man dicom-node, and a new shell.

    Example:  sudo dicom-node man --to /usr/local/share
    """
    from console.cli.app import app as program  # noqa: PLC0415 - which imports this

    made = {f"man/man1/{name}": page for name, page in pages(program).items()} | dict(completions())
    with readable_by_others():
        for place, text in made.items():
            _write(to / place, text)
    tell(
        as_json,
        {"files": [str(to / place) for place in made]},
        f"{len(made) - len(completions())} pages in {to / 'man/man1'}: man dicom-node, man dicom-node-status, ...",
        f"completions for bash, zsh and fish below {to}: they count in a new shell",
    )


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error.strerror}") from error

"""`web-secret`: what may stand in a file in the place of a password or a token."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from console.cli.options import Json
from console.cli.output import tell
from dicom_node.scrypt import Digest
from domain.errors import ConfigurationError

app = typer.Typer()


@app.command("web-secret")
def web_secret(
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="File that it is written to; it must not exist.")],
    as_json: Json = False,
) -> None:
    """Write what may stand in a file in the place of a caller's password or token (scrypt).

    The secret is asked for, or taken from standard input. Whoever reads the file does not learn it.

    Example:  dicom-node web-secret --to gate.secret
    """
    secret = _asked() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    if not secret:
        raise ConfigurationError("there is no secret: give it on standard input")
    try:
        number = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ConfigurationError(f"{to} cannot be made: {error.strerror}") from error
    with open(number, "w", encoding="ascii") as file:  # noqa: PTH123 - of a file that is open already
        file.write(f"{Digest.of(secret.encode())}\n")
    tell(as_json, {"file": str(to)}, f"{to}: name it as password_file or token_file of one of web.callers")


def _asked() -> str:
    return str(typer.prompt("Password or token", hide_input=True, confirmation_prompt=True, err=True))

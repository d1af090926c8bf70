"""Options of commands that speak to an archive by HTTP: who we are to it, and who proves what it is."""

from pathlib import Path
from typing import Annotated, TypeVar

import typer

from config.peers import Peer

P = TypeVar("P", bound=Peer)

User = Annotated[str | None, typer.Option("--user", metavar="NAME", help="To a URL: whom the password belongs to.")]
PasswordFile = Annotated[
    Path | None, typer.Option("--password-file", metavar="FILE", help="To a URL: file with the user's password.")
]
TokenFile = Annotated[
    Path | None, typer.Option("--token-file", metavar="FILE", help="To a URL: file with a bearer token.")
]
Ca = Annotated[
    Path | None, typer.Option("--ca", metavar="FILE", help="To a URL: certificates (PEM) that prove the server's.")
]


def with_access(peer: P, user: str | None, password_file: Path | None, token_file: Path | None, ca: Path | None) -> P:
    """`peer` with what the command line gives of these; raises BadParameter where it speaks no HTTP."""
    given = {"user": user, "password_file": password_file, "token_file": token_file, "ca": ca}
    given = {name: value for name, value in given.items() if value is not None}
    if given and not peer.url:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise typer.BadParameter(f"{options}: of use with a URL alone, not with {peer.address}")
    return peer.model_copy(update=given)

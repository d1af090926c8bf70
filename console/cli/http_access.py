"""Options of commands that speak to an archive by HTTP or by DICOM TLS: who we are to it, and who proves what it is."""

from pathlib import Path
from typing import Annotated, TypeVar

import typer

from config.peers import Peer

P = TypeVar("P", bound=Peer)

User = Annotated[
    str | None, typer.Option("--user", metavar="NAME", help="Whom the password belongs to, at a URL or by TLS.")
]
PasswordFile = Annotated[
    Path | None, typer.Option("--password-file", metavar="FILE", help="File with the user's password.")
]
TokenFile = Annotated[
    Path | None, typer.Option("--token-file", metavar="FILE", help="File with a token: of the bearer, or a JWT.")
]
Ca = Annotated[
    Path | None,
    typer.Option("--ca", metavar="FILE", help="Certificates (PEM) that prove the server's, at a URL or by TLS."),
]

Tls = Annotated[bool, typer.Option("--tls", help="Speak DICOM TLS; --ca, --cert and --user do so by themselves.")]
Certificate = Annotated[
    Path | None, typer.Option("--cert", metavar="FILE", help="By TLS or HTTPS: our certificate (PEM), with its --key.")
]
Key = Annotated[Path | None, typer.Option("--key", metavar="FILE", help="The key of --cert (PEM).")]


def with_access(
    peer: P,
    user: str | None,
    password_file: Path | None,
    token_file: Path | None,
    ca: Path | None,
    *,
    tls: bool = False,
    certificate: Path | None = None,
    key: Path | None = None,
) -> P:
    """`peer` with what the command line gives of these; raises BadParameter for what does not go together."""
    given = {"user": user, "password_file": password_file, "token_file": token_file, "ca": ca}
    ours = {"tls": tls or None, "certificate": certificate, "key": key}
    of_tls = {name: value for name, value in ours.items() if value is not None}
    if peer.url and tls:
        raise typer.BadParameter(f"--tls is of use to a DICOM peer alone: what {peer.address} speaks it says itself")
    if (certificate is None) != (key is None):
        raise typer.BadParameter("--cert and --key belong together")
    asked = of_tls | {name: value for name, value in given.items() if value is not None}
    return peer.model_copy(update={**asked, "tls": bool(asked) and not peer.url})

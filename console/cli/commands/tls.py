"""`tls`: a site's own authority, and certificates for the node and its partners."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from config.wording import destination
from console.cli.options import Json
from console.cli.output import print_json, print_list, tell
from dicom_node.listener.users import keep_passcode
from dicom_node.tls.authority import AUTHORITY, AUTHORITY_DAYS, DAYS, NODE, Authority, Issued
from domain.errors import ConfigurationError

app = typer.Typer()
group = typer.Typer(
    help="A site's own authority, and certificates for the node and its partners (DICOM TLS).", no_args_is_help=True
)
app.add_typer(group, name="tls")

_PORT = 2762
_LONGEST = 20 * 365  # days


def _title(text: str) -> str:
    try:
        return destination(f"{text}@localhost:104").aet
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


Folder = Annotated[
    Path, typer.Option("--folder", metavar="DIR", help="Where the authority and what it has signed lie.")
]
Days = Annotated[int, typer.Option("--days", metavar="N", min=1, max=_LONGEST, help="For how long it holds.")]
Rsa = Annotated[bool, typer.Option("--rsa", help="An RSA key of 2048 bits, for old peers; else ECDSA, P-256.")]
Hosts = Annotated[
    list[str] | None,
    typer.Option("--host", metavar="NAME", help="A name or IP address that it is called by; may be given again."),
]
Title = Annotated[str, typer.Argument(metavar="AET", parser=_title, help="The partner's AE title.")]
Aet = Annotated[str, typer.Option("--aet", metavar="NAME", parser=_title, help="The node's AE title.")]


@group.command()
def init(
    folder: Folder = Path("tls"),
    title: Annotated[str, typer.Option("--title", metavar="NAME", help="What it is called.")] = "DICOM authority",
    days: Days = AUTHORITY_DAYS,
    rsa: Rsa = False,
    as_json: Json = False,
) -> None:
    """Make the authority, once for a site. Its key signs whom the node lets in: keep it where few can read it.

    Example:  dicom-node tls init --folder /etc/dicom-node/tls
    """
    made = Authority(folder).init(title, days, "rsa" if rsa else "ec")
    _tell(as_json, made, f"next: dicom-node tls node --folder {quote(str(folder))} --host NAME")


@group.command()
def node(
    folder: Folder = Path("tls"),
    aet: Aet = "DICOM_NODE",
    host: Hosts = None,
    days: Days = DAYS,
    rsa: Rsa = False,
    as_json: Json = False,
) -> None:
    """Make the node's certificate, for the names that others call it by, and say what belongs into the settings.

    Example:  dicom-node tls node --host ai-node.hospital.example --host 10.1.2.3
    """
    made = Authority(folder).issue(NODE, aet, host or ["localhost", "127.0.0.1"], days, "rsa" if rsa else "ec")
    lines = [
        "this belongs into the settings file:",
        "",
        "[listener.tls]",
        *_files(made, Authority(folder)),
        "",
        f"next, for each partner: dicom-node tls partner AET --folder {quote(str(folder))}",
    ]
    _tell(as_json, made, *lines)


@group.command()
def partner(
    title: Title,
    folder: Folder = Path("tls"),
    host: Hosts = None,
    port: Annotated[int, typer.Option("--port", metavar="N", min=1, max=65_535, help="The node's own.")] = _PORT,
    days: Days = DAYS,
    rsa: Rsa = False,
    as_json: Json = False,
) -> None:
    """Make a certificate for a sender or an archive, and say what belongs into the settings and to the partner.

    Example:  dicom-node tls partner CT_SCANNER --host 10.1.2.30
    """
    authority = Authority(folder)
    made = authority.issue(_file_name(title), title, host or [], days, "rsa" if rsa else "ec")
    _tell(as_json, made, *_for_partner(made, authority, port))


@group.command()
def renew(
    name: Annotated[str, typer.Argument(metavar="NAME", help="node, or a partner's name as `tls show` has it.")],
    folder: Folder = Path("tls"),
    days: Days = DAYS,
    as_json: Json = False,
) -> None:
    """Make a new certificate for the same key and names. A node that runs takes its own by itself.

    Example:  dicom-node tls renew node
    """
    made = Authority(folder).renew(name, days)
    again = "a node that runs reads it by itself" if name == NODE else f"give {made.files.certificate} to the partner"
    _tell(as_json, made, again)


@group.command()
def passcode(
    user: Annotated[str, typer.Argument(metavar="USER", help="Who is to be known by it.")],
    file: Annotated[Path, typer.Option("--file", metavar="FILE", help="listener.user_identity.passcodes.")],
    as_json: Json = False,
) -> None:
    """Read a passcode from standard input and keep its digest, for User Identity Negotiation. One before it is gone.

    Example:  dicom-node tls passcode scanner --file /etc/dicom-node/passcodes
    """
    given = typer.prompt("passcode", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    keep_passcode(file, user, str(given).rstrip("\n"))
    tell(as_json, {"user": user, "file": str(file)}, f"{file} knows {user}; a node that runs reads it at each call")


@group.command()
def show(folder: Folder = Path("tls"), as_json: Json = False) -> None:
    """What the authority has signed, and until when it holds.

    Example:  dicom-node tls show
    """
    issued = Authority(folder).issued()
    if as_json:
        print_json({"certificates": [_as_json(one) for one in issued]})
        return
    rows = [(one.name, one.aet, ", ".join(one.names), f"{one.ends:%Y-%m-%d}", one.fingerprint) for one in issued]
    print_list(("name", "AE title", "hosts", "until", "SHA-256"), rows, 0, f"there is no certificate in {folder}")


def _tell(as_json: bool, made: Issued, *lines: str) -> None:
    files = made.files
    first = f"{files.certificate} holds until {made.ends:%Y-%m-%d}; its key is {files.key}, for its owner alone"
    tell(as_json, _as_json(made), first, *lines)


def _as_json(one: Issued) -> dict[str, object]:
    return {
        "name": one.name,
        "aet": one.aet,
        "hosts": one.names,
        "sha256": one.fingerprint,
        "ends": one.ends.isoformat(),
        "certificate": str(one.files.certificate),
        "key": str(one.files.key),
    }


def _files(made: Issued, authority: Authority) -> Iterator[str]:
    for setting, file in (
        ("certificate", made.files.certificate),
        ("key", made.files.key),
        ("ca", authority.files.certificate),
    ):
        yield f"{setting} = {json.dumps(str(file.absolute()))}"


def _for_partner(made: Issued, authority: Authority, port: int) -> Iterator[str]:
    ours = next((one for one in authority.issued() if one.name == NODE), None)
    if ours is None:
        raise ConfigurationError(f"{authority.folder} has no certificate of the node: dicom-node tls node, then show")
    place = ours.names[0] if ours.names else "localhost"
    yield from ("it may send with this in the settings file, and dicom-node reload:", "")
    yield from ("[[listener.callers]]", f"aet = {json.dumps(made.aet)}", "")
    yield from ("and gets results, where it takes them by TLS, with this:", "", "[[destinations]]")
    yield from (f"aet = {json.dumps(made.aet)}", f"host = {json.dumps((made.names or ('ITS-HOST',))[0])}")
    yield from (f"port = {_PORT}", "tls = true", *_files(ours, authority), "")
    given = " ".join(quote(one.name) for one in (made.files.key, made.files.certificate))
    yield f"give the partner {made.files.certificate}, {made.files.key} and {authority.files.certificate}; by DCMTK:"
    yield from (
        f"storescu +tls {given} +cf ca.pem -aet {quote(made.aet)} -aec {quote(ours.aet)} {place} {port} FILES",
        f"storescp +tls {given} +cf ca.pem -aet {quote(made.aet)} {_PORT}",
    )


def _file_name(aet: str) -> str:
    """Of the letters of an AE title those that a file's name may have on every system."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", aet)
    return f"{name}_" if name in {AUTHORITY, NODE} else name

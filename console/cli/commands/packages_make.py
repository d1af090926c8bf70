"""`models new | digest | golden | keygen | sign`: how a data scientist makes a package, and who vouches for it."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from console.cli.options import Config, Json, ModelFolder, settings_from
from console.cli.output import tell
from domain.errors import ConfigurationError
from inference_worker import trial_process
from inference_worker.verdicts import EXPECTED, INPUT
from models import installed as packages
from models import signing
from models.digests import replace_text, write_digests
from models.drafts import write_draft
from models.manifest import MANIFEST
from models.registry import Package as Installed
from models.registry import load_package
from roles.devices import setup

Package = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the package.")]
Onnx = Annotated[Path, typer.Option("--onnx", metavar="FILE", help="The network.", exists=True, dir_okay=False)]
KeyFile = Annotated[Path, typer.Argument(metavar="FILE", help="Where the private key goes, such as ours.pem.")]
Key = Annotated[Path, typer.Option("--key", metavar="FILE", help="The private key (PEM, Ed25519).")]
Locked = Annotated[bool, typer.Option("--passphrase", help="Ask for a passphrase that locks the private key.")]
Series = Annotated[
    list[Path],
    typer.Argument(metavar="SERIES...", help="Folder of a series for each input of the model, in its order."),
]
Thin = Annotated[
    int,
    typer.Option(
        "--every", metavar="N", min=1, max=1000, help="Keep every N-th voxel along each axis of a volume alone."
    ),
]


def new(package: Package, onnx: Onnx, as_json: Json = False) -> None:
    """Make a package of a network: its manifest and card to fill in, as far as the network tells.

    Fill in what is asked for; `dicom-node models verify DIR` names what is missing or wrong, by its line. Then
    `dicom-node models digest DIR`.
    """
    ports = trial_process.describe(onnx.absolute(), setup(settings_from(None)))
    write_draft(package.absolute(), onnx.read_bytes(), ports)
    manifest = package / MANIFEST
    hint = "docs/models.md tells what each line means; then: dicom-node models verify"
    tell(as_json, {"manifest": str(manifest.absolute())}, f"{manifest}: fill it in; {hint} {package}")


def digest(package: Package, as_json: Json = False) -> None:
    """Write the SHA-256 of every file of a package into its manifest; the last thing that making it does.

    A signature is taken away, for it was given to other bytes.
    """
    if not (package / MANIFEST).is_file():
        raise ConfigurationError(f"{package}: has no {MANIFEST}")
    write_digests(package)
    _say_digest(load_package(package.resolve()), as_json)


def golden(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A package's name, or the folder of one.")],
    series: Series,
    every: Thin = 1,
    models: ModelFolder = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Keep what the model makes of a series as its golden sample, to prove other engines and installations with.

    The pixels go into the package, attributes do not. Take a phantom, or a series that may be passed on.
    """
    settings = settings_from(config, models__folder=models)
    package = packages.one(settings, model)
    files = trial_process.files_of(package.manifest, series)
    trial_process.make_golden(package.folder, replace(setup(settings), keys=None), files, every)
    if package.manifest.golden is None:
        manifest = package.folder / MANIFEST
        stated = f'\n[golden]\ninput = "{INPUT}"\nexpected = "{EXPECTED}"\n'
        replace_text(manifest, manifest.read_text("utf-8").rstrip("\n") + "\n" + stated)
    write_digests(package.folder)
    _say_digest(load_package(package.folder), as_json)


def keygen(key: KeyFile, passphrase: Locked = False, as_json: Json = False) -> None:
    """Make a key to sign packages with: FILE is the private one, and FILE's name with .pub.pem the public one."""
    secret = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=True) if passphrase else ""
    made = signing.generate_key(key, secret.encode() or None)
    public = key.with_name(key.stem + signing.PUBLIC)
    document = {"key": str(key), "public_key": str(public), "fingerprint": made.fingerprint}
    tell(as_json, document, f"{public}: {made.fingerprint}")


def sign(package: Package, key: Key, as_json: Json = False) -> None:
    """Vouch for a package: sign its manifest, which lists the digest of every file."""
    found = load_package(package.resolve())
    if complaint := packages.changed(found):
        raise ConfigurationError(*complaint.split("\n"), "only a whole package is signed")
    secret = typer.prompt("Passphrase", hide_input=True) if signing.is_locked(key) else ""
    made = signing.sign(found, key, secret.encode() or None)
    document = {"model": found.name, "digest": found.digest, "key": made.name, "fingerprint": made.fingerprint}
    tell(as_json, document, f"{found.name} {found.digest} signed by {made.name} ({made.fingerprint[:16]})")


def _say_digest(package: Installed, as_json: bool) -> None:
    tell(as_json, {"model": package.name, "digest": package.digest}, package.digest)

"""Reads model packages and proves that they are what they were when they were made.

A package is a folder with `manifest.toml`, a network, `card.md`, and nothing that its manifest does not list but the
signature of the manifest itself.
Nothing here runs a model, and no file of a package is a program or a pickle, but for what a MONAI bundle holds
(models/bundles.py says what that may be).
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from domain.errors import ConfigurationError, IntegrityError
from domain.findings import ModelIdentity
from models.cards import CARD, sentences
from models.checks import read_manifest
from models.manifest import MANIFEST, SIGNATURE, Manifest

# Name and version.
Release: TypeAlias = tuple[str, str]


@dataclass(frozen=True)
class Package:
    """One model package. `digests` maps each file, the manifest included, to the SHA-256 that it must have."""

    folder: Path
    manifest: Manifest
    digests: Mapping[str, str]

    @property
    def name(self) -> str:
        """The name by which rules and jobs call the model."""
        return self.manifest.identity.name

    @property
    def release(self) -> Release:
        """Name and version: what results and readers know the package by."""
        return self.name, self.manifest.identity.version

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over the sorted lines "digest, two spaces, name" of every file, as `sha256sum` writes them."""
        lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(self.digests.items()))
        return hashlib.sha256(lines.encode()).hexdigest()

    @property
    def identity(self) -> ModelIdentity:
        """What findings say of the model that made them. A card that was changed is not quoted; `verify` names it."""
        known = self.manifest.identity
        return ModelIdentity(
            name=known.name,
            version=known.version,
            title=known.title,
            manufacturer=known.manufacturer,
            device_uid=known.device_uid,
            digest=self.digest,
            demonstration=known.demonstration,
            product=known.product,
            card=self._card(),
        )

    def _card(self) -> tuple[str, ...]:
        try:
            return sentences(self.read(CARD).decode("utf-8", "replace"))
        except IntegrityError:
            return ()  # a list of packages has to show the others, and this one's name

    def read(self, name: str) -> bytes:
        """The bytes of one file, verified; what was verified is what is returned, not what a second read would find.

        Raises IntegrityError naming the file where it is not listed, is missing or was changed.
        """
        path = self.folder / name
        if name not in self.digests:
            raise IntegrityError(f"{path}: is not listed in the package's manifest")
        try:
            data = path.read_bytes()
        except OSError as error:
            raise IntegrityError(f"{path}: cannot be read: {error.strerror}") from error
        if hashlib.sha256(data).hexdigest() != self.digests[name]:
            raise IntegrityError(f"{path}: is not the file that the manifest describes (SHA-256 differs)")
        return data


@dataclass(frozen=True)
class Registry:
    """The packages of one folder, by name; of those whose manifest is wrong, what is wrong with it."""

    packages: Mapping[str, Package]
    broken: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> "Registry":
        """Every package in `folder`, in order of name; one that is wrong costs the others nothing.

        A subfolder without a manifest is none of ours. Digests are read here and checked by `verify`. Raises
        ConfigurationError where there is no such folder.
        """
        if not folder.is_dir():
            raise ConfigurationError(f"{folder}: is not a folder of model packages")
        packages: dict[str, Package] = {}
        broken: dict[str, str] = {}
        for manifest in sorted(folder.glob(f"*/{MANIFEST}")):
            try:
                packages[manifest.parent.name] = load_package(manifest.parent)
            except ConfigurationError as error:
                broken[manifest.parent.name] = str(error)
        return cls(packages, broken)

    def get(self, name: str) -> Package:
        """The package called `name`; raises ConfigurationError where there is none, or what is wrong with it."""
        if name in self.broken:
            raise ConfigurationError(*self.broken[name].split("\n"))
        try:
            return self.packages[name]
        except KeyError:
            known = ", ".join(self.packages) or "none"
            raise ConfigurationError(f"no model package is called {name!r}; known: {known}") from None


def load_package(folder: Path) -> Package:
    """The package in `folder`; raises ConfigurationError where its manifest is wrong or missing."""
    path = folder / MANIFEST
    try:
        data = path.read_bytes()
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from error
    manifest = read_manifest(text, path)
    return Package(folder, manifest, {**manifest.digests, MANIFEST: hashlib.sha256(data).hexdigest()})


def releases(packages: Iterable[Package]) -> dict[Release, str]:
    """The digest of each release."""
    return {package.release: package.digest for package in packages}


def changed_package(version: str) -> str:
    """Why a package whose name and version are known with another digest does not run, and what to do."""
    return f"version {version} is known with other contents: give what was changed a new version"


def older_package(known: str) -> str:
    """Why a signed package does not run of which a newer version has been known, and what to do."""
    return f"the node has known its newer version {known}; name this one in models.allow_older where it shall run"


def verify(package: Package) -> None:
    """Read every file; raises IntegrityError naming all that were changed, are missing, or are not listed."""
    if found := damage(package):
        raise IntegrityError(*found)


def damage(package: Package) -> list[str]:
    """A sentence for each file that was changed, is missing, or is not listed."""
    said = [fault for name in sorted(package.digests) if (fault := _unread(package, name))]
    for path in sorted(package.folder.rglob("*")):
        name = path.relative_to(package.folder).as_posix()
        if path.is_symlink():
            said.append(f"{path}: is a link; a package holds its files itself")
        elif path.is_file() and name not in {*package.digests, SIGNATURE}:
            said.append(f"{path}: is not listed in the package's manifest")
    return said


def _unread(package: Package, name: str) -> str:
    try:
        package.read(name)
    except IntegrityError as error:
        return str(error)
    return ""

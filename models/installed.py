"""Which model packages this node has, those of the configured folder or the shipped ones, and whether to trust them."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import models
from config.rules import Rule
from config.settings import Settings
from domain.errors import ConfigurationError, IntegrityError
from domain.routing import asks_for_descriptions
from models.manifest import MANIFEST
from models.registry import Package, Registry, Release, load_package, verify
from models.signing import Signature, TrustedKey, require, signature_of, trusted_keys

_LEFT_OUT = "privacy.descriptions = false keeps out of the database"


def folder(settings: Settings) -> Path:
    """Where the packages lie."""
    return settings.models.folder or Path(models.__file__).parent


def own_folder(settings: Settings) -> Path:
    """The folder that packages are added to; raises ConfigurationError where only the shipped ones are known."""
    if settings.models.folder is None:
        raise ConfigurationError("new packages go into a folder of your own: give --models DIR, or set models.folder")
    return settings.models.folder


def installed(settings: Settings) -> list[Package]:
    """Every package whose manifest is right, read anew; raises ConfigurationError where there is no such folder."""
    return list(Registry.load(folder(settings)).packages.values())


def broken(settings: Settings) -> Mapping[str, str]:
    """What is wrong with the manifests of the others, with file and line, by the package's name."""
    return Registry.load(folder(settings)).broken


def one(settings: Settings, name: str) -> Package:
    """The package called `name`, or the one in the folder `name` if it is a package's; raises ConfigurationError."""
    if (Path(name) / MANIFEST).is_file():
        return load_package(Path(name).resolve())
    return Registry.load(folder(settings)).get(name)


def some(settings: Settings, names: list[str]) -> list[Package]:
    """The packages called `names`, or every installed one."""
    return [one(settings, name) for name in names] if names else installed(settings)


def readable(settings: Settings, names: list[str]) -> tuple[list[Package], dict[str, str]]:
    """Of the packages called `names`, or of all, those whose manifest is right; and what is wrong with the others.

    Raises ConfigurationError where there is none of that name.
    """
    if not names:
        return installed(settings), dict(broken(settings))
    found: list[Package] = []
    wrong: dict[str, str] = {}
    for name in names:
        try:
            found.append(one(settings, name))
        except ConfigurationError as error:
            if name not in broken(settings) and not (Path(name) / MANIFEST).is_file():
                raise
            wrong[name] = str(error)
    return found, wrong


def keys(settings: Settings) -> tuple[TrustedKey, ...]:
    """The keys that packages may be signed with; raises ConfigurationError."""
    return trusted_keys(settings.models.trusted_keys)


def changed(package: Package) -> str:
    """Which file of `package` is not what its manifest says, "" where each is."""
    try:
        verify(package)
    except IntegrityError as error:
        return str(error)
    return ""


def unsigned(package: Package, settings: Settings) -> list[str]:
    """Why `package` lacks the signature that is wanted, where it does."""
    try:
        if settings.models.require_signature:
            require(package, keys(settings))
    except IntegrityError as error:
        return [str(error)]
    return []


def fault(package: Package, settings: Settings) -> str:
    """Why `package` must not run, "" where nothing speaks against it: its files, and the signature that is wanted."""
    return next(iter(unsigned(package, settings)), "") or changed(package)


def descriptionless(package: Package, settings: Settings, rules: Iterable[Rule] | None = None) -> str:
    """Why `package` cannot be asked where the database keeps no descriptions, "" where it can.

    What it prefers by them counts as well: it would read another series than the one that it would with them.
    """
    if settings.privacy.descriptions:
        return ""
    inputs = package.manifest.inputs
    if any(asks_for_descriptions(one.conditions) or one.prefer.series_description for one in inputs):
        return f"its intended use asks for descriptions, which {_LEFT_OUT}"
    own = [rule for rule in rules or () if rule.model == package.name and asks_for_descriptions(rule.when)]
    return f"rule {own[0].name!r} asks for descriptions, which {_LEFT_OUT}" if own else ""


def must_not_be_older(packages: Iterable[Package], settings: Settings) -> list[Release]:
    """Those that must not run where a newer version is known: where signatures count, unless somebody allowed it.

    What was signed stays signed, also after its fault was mended in the next version.
    """
    if not settings.models.require_signature:
        return []
    return [one.release for one in packages if " ".join(one.release) not in settings.models.allow_older]


def engine_cache(settings: Settings) -> Path:
    """Where engines keep what they have compiled for this machine."""
    return settings.data / "engines"


def signature(package: Package, settings: Settings) -> Signature | str:
    """Who vouches for `package`; a sentence where its manifest was changed."""
    try:
        return signature_of(package, keys(settings))
    except IntegrityError as error:
        return str(error)

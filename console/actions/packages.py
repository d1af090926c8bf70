"""The model packages of the node, as people ask for them: what each is for, and whether it is paused."""

from collections.abc import Mapping
from dataclasses import dataclass

from config.settings import Settings
from console import package_text as text
from console.actions.known_packages import of_node
from domain.errors import IntegrityError
from domain.pauses import Held, Pause
from models import installed
from models.cards import CARD
from models.registry import Package
from store.database import Database
from store.pauses import all_paused


@dataclass(frozen=True)
class ModelRecord:
    """A package: whose it is, who vouches for it, and whether its model is paused. `digest` is of all its files."""

    name: str
    version: str
    title: str
    manufacturer: str
    licence: str
    digest: str
    signature: str
    demonstration: bool
    product: bool
    paused: Pause | None


@dataclass(frozen=True)
class ModelInput:
    """What a model reads under this name: a sentence for each condition that a series must meet."""

    name: str
    conditions: tuple[str, ...]


@dataclass(frozen=True)
class ModelLine:
    """A step of how a package is run, or a thing that it may say: of which sort, what, and how."""

    sort: str
    what: str
    how: str


@dataclass(frozen=True)
class ModelDetail(ModelRecord):
    """A package with what it is for, how it is run, what it says, and its card: Markdown, "" where it was changed."""

    inputs: tuple[ModelInput, ...]
    steps: tuple[ModelLine, ...]
    outputs: tuple[ModelLine, ...]
    card: str


@dataclass(frozen=True)
class BrokenPackage:
    """A package whose manifest is wrong, and what is wrong with it, by file and line."""

    name: str
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Models:
    """The packages of the node."""

    models: tuple[ModelRecord, ...]
    broken: tuple[BrokenPackage, ...]


def all_models(source: Database, settings: Settings) -> Models:
    """Every package; raises ConfigurationError where its folder or the trusted keys cannot be read."""
    settings = of_node(settings)
    found, broken = installed.readable(settings, [])
    paused = _paused(source)
    wrong = tuple(BrokenPackage(name, _faults(settings, said)) for name, said in broken.items())
    return Models(tuple(_record(one, settings, paused) for one in found), wrong)


def one_model(source: Database, settings: Settings, name: str) -> ModelDetail | BrokenPackage | None:
    """The package of this name, None where there is none; raises ConfigurationError as `all_models`."""
    settings = of_node(settings)
    found, broken = installed.readable(settings, [])
    if name in broken:
        return BrokenPackage(name, _faults(settings, broken[name]))
    for one in found:
        if one.name == name:
            return _detail(one, _record(one, settings, _paused(source)))
    return None


def _detail(one: Package, known: ModelRecord) -> ModelDetail:
    return ModelDetail(
        **vars(known),
        inputs=tuple(ModelInput(each.name, tuple(text.intended_use(each))) for each in one.manifest.inputs),
        steps=tuple(ModelLine(*each) for each in text.steps(one)),
        outputs=tuple(ModelLine(*each) for each in text.outputs(one)),
        card=_card(one),
    )


def _record(one: Package, settings: Settings, paused: Mapping[str, Pause]) -> ModelRecord:
    identity = one.manifest.identity
    return ModelRecord(
        name=one.name,
        version=identity.version,
        title=identity.title,
        manufacturer=identity.manufacturer,
        licence=identity.licence,
        digest=one.digest,
        signature=str(installed.signature(one, settings)),
        demonstration=identity.demonstration,
        product=identity.product,
        paused=paused.get(one.name),
    )


def _paused(source: Database) -> Mapping[str, Pause]:
    with source.transaction() as connection:
        return {one.name: one for one in all_paused(connection) if one.kind == Held.MODEL}


def _faults(settings: Settings, said: str) -> tuple[str, ...]:
    """Without where the packages lie: that is for whoever is on the host."""
    return tuple(said.replace(f"{installed.folder(settings)}/", "").split("\n"))


def _card(one: Package) -> str:
    try:
        return one.read(CARD).decode("utf-8", "replace")
    except IntegrityError:
        return ""

"""All that is wrong with the settings, their rules and packages on this machine, each with its place.

What `up` would stop at, what would keep it from its work, and, as remarks, what was most likely not meant.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from config import reach
from config.environment import unknown_variables
from config.loading import Loaded, load_sound
from config.places import SERVICE_SETTINGS, missing_places, nowhere
from config.rules import Rule, named_models, names_twice, sound_rules
from config.settings import Settings
from config.sources import Fault
from console.cli.service_units import behind, of_settings
from console.cli.service_user import closed_to_the_service
from domain.errors import ConfigurationError
from inference_worker.engines.libraries import LIBRARIES, is_installed
from models import installed as packages
from models.registry import Package
from models.rule_faults import RuleFault, rule_faults, with_places
from roles import named_files
from roles.database import refuse_unusable
from roles.ports import closed
from roles.unusable import unusable

_FOLDER = Fault("", (("models", "folder"),))
_DATA = (("data",), ("database", "url"), ("database", "url_file"))


@dataclass
class Checked:
    """What is wrong, and what most likely was not meant, each a line with its place."""

    complaints: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def check(file: Path | None) -> Checked:
    """Look at the settings in effect with `file`, and at this machine."""
    try:
        loaded = load_sound(file)
    except ConfigurationError as error:
        return Checked([*error.lines])
    checked = Checked([*loaded.complaints, *unknown_variables()])
    units = of_settings(loaded.sources.file)
    _add(loaded, checked, _faults(loaded.settings, [loaded.settings.data, *(one.data for one in units)]))
    _add(loaded, checked, behind(loaded.settings, units))
    checked.remarks += [
        f"{name} of {one.name} stands above this file: sudo systemctl cat {one.name}"
        for one in units
        for name in one.variables
    ]
    if loaded.sources.file and loaded.sources.file.absolute() == SERVICE_SETTINGS:
        _add(loaded, checked, nowhere(loaded.settings))
        _add(loaded, checked, closed_to_the_service(loaded.sources.file, loaded.settings))
    _of_packages(loaded, checked)
    for lines in (checked.complaints, checked.remarks):
        lines.sort(key=loaded.sources.order)
    return checked


def unrefused(file: Path | None, overrides: Mapping[str, object] | None = None) -> list[str]:
    """What a node runs with, and a person has to know of all the same: what `check` says and `up` does not stop at."""
    loaded, checked = load_sound(file, overrides), Checked()
    _add(loaded, checked, _of_peers(loaded.settings))
    _add(loaded, checked, _of_worker(loaded.settings))
    _of_packages(loaded, checked)
    return sorted((*checked.complaints, *checked.remarks), key=loaded.sources.order)


def _add(loaded: Loaded, checked: Checked, faults: Iterable[Fault]) -> None:
    for fault in loaded.founded(faults):
        (checked.complaints if fault.certain else checked.remarks).append(loaded.line(fault))


def _faults(settings: Settings, own: Collection[Path]) -> Iterator[Fault]:
    """Of the settings on this machine, where the node's own processes are those of the data folders `own`."""
    places = list(missing_places(settings))
    yield from places
    if not any(("data",) in one.paths for one in places):
        yield from _of_own_database(settings)
    yield from closed(settings, beside=own)
    yield from _of_peers(settings)
    yield from unusable(settings)
    yield from _of_language_models(settings)
    yield from _of_worker(settings)


def _of_peers(settings: Settings) -> Iterator[Fault]:
    yield from reach.callers(settings)
    yield from reach.doubtful(settings)
    yield from reach.hosts(settings)
    yield from named_files.of_peers(settings)


def _of_worker(settings: Settings) -> Iterator[Fault]:
    """An engine and cards that the worker of this installation would look for in vain."""
    here, wanted = {name for name in LIBRARIES if is_installed(name)}, settings.models.engine
    if here and wanted != "auto" and wanted not in here:
        said = (
            f"models.engine: {wanted} is not installed: {LIBRARIES[wanted].install}; here are {', '.join(sorted(here))}"
        )
        yield Fault(said, (("models", "engine"),))
    cards = len(list(Path("/dev").glob("nvidia[0-9]*")))
    for one in settings.models.device.split(","):
        number = one.partition(":")[2]
        if number and int(number) >= cards and not Path("/dev/dxg").exists():
            said = f"models.device: {one}: this machine has {cards or 'no'} NVIDIA GPU{'' if cards == 1 else 's'}"
            yield Fault(f"{said}{', numbered from 0' if cards else ''}", (("models", "device"),))


def _of_language_models(settings: Settings) -> Iterator[Fault]:
    if settings.language_models or settings.vision_models or settings.literature.enabled:
        from roles.language_models import unusable as cannot_be_asked  # noqa: PLC0415 - few nodes have one

        yield from cannot_be_asked(settings)


def _of_own_database(settings: Settings) -> Iterator[Fault]:
    try:
        refuse_unusable(settings)
    except ConfigurationError as error:
        yield Fault(f"data: {error.sentence}", _DATA)


def _of_packages(loaded: Loaded, checked: Checked) -> None:
    """Packages and rules, where the settings that name them are right."""
    settings, rules = loaded.settings, _rules(loaded, checked)
    if not loaded.founded([_FOLDER]) or (settings.models.folder and not settings.models.folder.is_dir()):
        return
    found, broken = packages.installed(settings), packages.broken(settings)
    for said in broken.values():
        checked.complaints += said.split("\n")
    _add(loaded, checked, _unrun(settings, found, None if rules is None else rules.values()))
    file = settings.models.rules
    if rules is not None and file is not None:
        faults = rule_faults(
            rules, {one.name: one for one in found}, broken, settings.listener, named_models(file, rules)
        )
        for line, certain in with_places(file, faults):
            (checked.complaints if certain else checked.remarks).append(line)


def _rules(loaded: Loaded, checked: Checked) -> dict[int, Rule] | None:
    """The rules that are right, also where no package could be looked at; None where there is no file of them."""
    file = loaded.settings.models.rules
    if file is None or not file.is_file():
        return None
    try:
        rules, lines = sound_rules(file)
    except ConfigurationError as error:
        rules, lines = None, [*error.lines]
    checked.complaints += lines
    if rules is not None:
        twice = (RuleFault(path, said, certain=False) for path, said in names_twice(file))
        checked.remarks += [line for line, _ in with_places(file, twice)]
    return rules


def _unrun(settings: Settings, found: list[Package], rules: Iterable[Rule] | None) -> Iterator[Fault]:
    """Packages that the settings keep from running. The shipped ones are there whatever the site wants of them."""
    own = settings.models.folder is not None
    for package in found:
        if said := packages.descriptionless(package, settings, rules):
            yield Fault(
                f"model package {package.name} does not run: {said}; keep them (privacy.descriptions = true), or"
                f" {'take the package out of' if own else 'name a folder without it in'} models.folder",
                (("privacy", "descriptions"),),
                certain=own,
            )
        try:
            unsigned = packages.unsigned(package, settings)
        except ConfigurationError:
            continue  # of a key, which is told by its setting
        for said in unsigned:
            yield Fault(f"model package {package.name} does not run: {said}", (("models", "require_signature"),), own)

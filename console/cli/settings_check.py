"""All that is wrong with the settings, their rules and packages on this machine, each with its place.

What `up` would stop at, what would keep it from its work, and, as remarks, what was most likely not meant.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from config import reach
from config.environment import unknown_variables
from config.loading import Loaded, load_sound
from config.places import missing_places
from config.rules import Rule, sound_rules
from config.settings import Settings
from config.sources import Fault
from config.toml_lines import dotted, load, locate, read
from domain.errors import ConfigurationError
from inference_worker.engines.libraries import LIBRARIES, is_installed
from models import installed as packages
from models.registry import Package
from models.rule_faults import RuleFault, rule_faults
from roles.database import refuse_unusable
from roles.ports import closed
from roles.unusable import unusable

_RULES = (("models", "rules"),)
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
    for fault in loaded.founded(_faults(loaded.settings)):
        (checked.complaints if fault.certain else checked.remarks).append(loaded.line(fault))
    _of_packages(loaded, checked)
    for lines in (checked.complaints, checked.remarks):
        lines.sort(key=loaded.sources.order)
    return checked


def _faults(settings: Settings) -> Iterator[Fault]:
    places = list(missing_places(settings))
    yield from places
    if not any(("data",) in one.paths for one in places):
        yield from _of_own_database(settings)
    yield from closed(settings, beside_itself=True)
    yield from reach.callers(settings)
    yield from reach.doubtful(settings)
    yield from reach.hosts(settings)
    yield from unusable(settings)
    yield from _of_worker(settings)


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


def _of_own_database(settings: Settings) -> Iterator[Fault]:
    try:
        refuse_unusable(settings)
    except ConfigurationError as error:
        yield Fault(f"data: {error.sentence}", _DATA)


def _of_packages(loaded: Loaded, checked: Checked) -> None:
    """Packages and rules, where the settings that name them are right."""
    settings = loaded.settings
    named = [Fault("", (("models", "folder"), ("models", "rules")))]
    if not loaded.founded(named) or (settings.models.folder and not settings.models.folder.is_dir()):
        return
    found, broken = packages.installed(settings), packages.broken(settings)
    for said in broken.values():
        checked.complaints += said.split("\n")
    rules: dict[int, Rule] | None = None
    file = settings.models.rules
    if file is not None and file.is_file():
        try:
            rules, lines = sound_rules(file)
        except ConfigurationError as error:
            rules, lines = None, [*error.lines]
        checked.complaints += lines
    for fault in _unrun(settings, found, None if rules is None else rules.values()):
        (checked.complaints if fault.certain else checked.remarks).append(loaded.line(fault))
    if rules is not None and file is not None:
        _of_rules(file, rule_faults(rules, {one.name: one for one in found}, broken, settings.listener), checked)


def _of_rules(file: Path, faults: Iterator[RuleFault], checked: Checked) -> None:
    text = read(file)
    for one in faults:
        name = f"{dotted(load(text, file), one.path)}: " if one.path else ""
        line = f"{file}:{locate(text, one.path)}: {name}{one.said}"
        (checked.complaints if one.certain else checked.remarks).append(line)


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

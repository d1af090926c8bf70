"""Rules of a site that can never fire, held against packages, callers and the modalities that there are: pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from config.rules import Rule
from config.settings import Listener
from config.toml_lines import KeyPath, dotted, load, locate, read
from domain.modalities import MODALITIES
from domain.nearest import did_you_mean
from domain.routing import Conditions
from models.registry import Package

_LISTS = ("modality", "sop_class", "body_part", "view", "photometric")
_FOLDED = {"body_part", "view"}
_RANGES = (("min_slices", "max_slices"), ("min_spacing_mm", "max_spacing_mm"), ("min_age", "max_age"))


@dataclass(frozen=True)
class RuleFault:
    """What is wrong with the rule at `path` of its file; one that is not `certain` is a remark."""

    path: KeyPath
    said: str
    certain: bool = True


def rule_faults(
    rules: Mapping[int, Rule],
    packages: Mapping[str, Package],
    broken: Iterable[str],
    listener: Listener,
    others: Mapping[int, str] = MappingProxyType({}),
) -> Iterator[RuleFault]:
    """All of them; `rules` by their number in the file; of `broken` packages nothing is known.

    `others` are the models that rules name which are wrong otherwise.
    """
    known = {*packages, *broken}
    for at, rule in rules.items():
        if rule.model not in known:
            said = f"there is no model package {rule.model!r}{did_you_mean(rule.model, known)}"
            yield RuleFault(("rule", at, "model"), said)
        never = list(_never(rule.when, packages[rule.model])) if rule.model in packages else []
        yield from (RuleFault(("rule", at, "when", key), said) for key, said in never)
        yield from (
            RuleFault(("rule", at, "when", key), said, certain)
            for key, said, certain in (*_modalities(rule.when), *_callers(rule.when, listener))
            if key not in dict(never)
        )
    for at, model in others.items():
        if model not in known:
            said = f"there is no model package {model!r}{did_you_mean(model, known)}"
            yield RuleFault(("rule", at, "model"), said)
    if unnamed := sorted(set(packages) - {rule.model for rule in rules.values()} - {*others.values()}):
        said = f"no rule names {', '.join(unnamed)}: {'they never run' if unnamed[1:] else 'it never runs'}"
        yield RuleFault((), said, certain=False)


def with_places(file: Path, faults: Iterable[RuleFault]) -> Iterator[tuple[str, bool]]:
    """Each as a line with its place in `file`, and whether it is certain."""
    text = read(file)
    for one in faults:
        name = f"{dotted(load(text, file), one.path)}: " if one.path else ""
        yield f"{file}:{locate(text, one.path)}: {name}{one.said}", one.certain


def _never(when: Conditions, package: Package) -> Iterator[tuple[str, str]]:
    """Each key with which no series is for an input of the package: a rule narrows those of each input alike."""
    said: dict[str, str] = {}
    for one in package.manifest.inputs:
        for key, words in (*_apart(when, one.conditions), *_out_of_range(when, one.conditions)):
            said.setdefault(key, f"can never be met by {package.name}'s input {one.name!r}: {words}")
    yield from said.items()


def _apart(when: Conditions, own: Conditions) -> Iterator[tuple[str, str]]:
    for key in _LISTS:
        wanted, known = getattr(when, key), getattr(own, key)
        fold = str.upper if key in _FOLDED else str
        if wanted and known and not {*map(fold, wanted)} & {*map(fold, known)}:
            near = did_you_mean(wanted[0], known) if key == "modality" else ""
            yield key, f"{_either(wanted)} is none of {_either(known)}{near}"
    if when.contrast is not None and own.contrast is not None and when.contrast != own.contrast:
        yield "contrast", f"{str(when.contrast).lower()} is not its {str(own.contrast).lower()}"


def _out_of_range(when: Conditions, own: Conditions) -> Iterator[tuple[str, str]]:
    for low, high in _RANGES:
        least, most = getattr(when, low), getattr(when, high)
        if least is not None and (limit := getattr(own, high)) is not None and least > limit:
            yield low, f"{least:g} is more than its {high} ({limit:g})"
        if most is not None and (limit := getattr(own, low)) is not None and most < limit:
            yield high, f"{most:g} is less than its {low} ({limit:g})"


def _modalities(when: Conditions) -> Iterator[tuple[str, str, bool]]:
    for one in when.modality:
        if one not in MODALITIES:
            near = did_you_mean(one, MODALITIES)
            yield "modality", f"{one!r} is no modality of the standard (PS3.3 C.7.3.1.1.1){near}", False


def _callers(when: Conditions, listener: Listener) -> Iterator[tuple[str, str, bool]]:
    """Calling AE titles that nobody who may call has; from this machine any may come, unless that is closed."""
    known = {one.aet for one in listener.callers}
    if not known:
        return
    for one in when.calling_ae:
        if one not in known:
            certain = not listener.trust_loopback and not known & {*when.calling_ae}
            who = "nobody" if certain else "none of listener.callers"
            yield "calling_ae", f"{who} calls as {one!r}{did_you_mean(one, known)}", certain


def _either(values: Sequence[str]) -> str:
    return ", ".join(value or "(none)" for value in values)

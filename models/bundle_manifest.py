"""Writes the manifest and the card of a package that holds a MONAI bundle, from its metadata and a person's codes.

A bundle names its labels in words; a finding needs a code, and which series a channel is read from needs a rule. Both
come from a TOML file that a person writes:

    [segments."spleen"]
    type = { value = "78961009", scheme = "SCT", meaning = "Spleen" }

    [inputs."FLAIR"]
    series_description = "flair"

A segment may also have `category`, `laterality`, `colour`, a `label` of its own and `value`, its voxels' value in what
the bundle saves (without it, the number of its channel). The keys of an input are those of [inputs.conditions] in a
manifest; a bundle with one channel needs none, for its metadata states the modality.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from uuid import UUID

from config.tables import Document
from domain.errors import ConfigurationError
from domain.findings import Code
from domain.json_records import Json, JsonObject
from domain.routing import Conditions
from models.bundle_metadata import METADATA, Metadata

BUNDLE = "bundle"

_MODALITIES = {"CT": "CT", "MR": "MR", "MRI": "MR", "PT": "PT", "PET": "PT", "US": "US", "NM": "NM"}
_ANATOMY = Code("123037004", "SCT", "Anatomical Structure")
_COLOURS = (
    (224, 97, 76), (84, 149, 214), (244, 214, 49), (111, 184, 98), (177, 122, 101), (206, 110, 184), (128, 174, 128),
    (241, 145, 48), (120, 110, 220), (64, 190, 190),
)  # fmt: skip
_LICENCES = (
    (r"Apache License\s+Version 2\.0", "Apache-2.0"),
    (r"\bMIT License\b|Permission is hereby granted, free of charge", "MIT"),
    (r"BSD 3-Clause|Neither the name of", "BSD-3-Clause"),
    (r"(?i)NonCommercial|non-commercial", "not for commercial use; see bundle/LICENSE"),
)


@dataclass(frozen=True)
class Coding:
    """What one label of a bundle stands for."""

    type: Code
    category: Code = _ANATOMY
    laterality: Code | None = None
    colour: tuple[int, int, int] | None = None
    value: int | None = None
    label: str = ""


@dataclass(frozen=True)
class Codes:
    """A person's file: codes by label, and what the series of each channel must be."""

    segments: Mapping[str, Coding] = field(default_factory=dict)
    inputs: Mapping[str, Conditions] = field(default_factory=dict)


def read_codes(file: Path | None, metadata: Metadata) -> Codes:
    """The codes in `file` for the bundle's labels.

    Raises ConfigurationError with file and line of every label that lacks a code, and of a code for no label.
    """
    codes = Codes()
    if file is not None:
        try:
            document = Document(file.read_text("utf-8"), file)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{file}: cannot be read: {error}") from error
        codes = document.build(Codes)
        _refuse_unknown(document, codes, metadata)
    lacking = [label for label in metadata.labels.values() if label not in codes.segments]
    if lacking:
        raise ConfigurationError(*(_lacking(label, metadata) for label in lacking))
    return codes


def _refuse_unknown(document: Document, codes: Codes, metadata: Metadata) -> None:
    for table, stated, known in (
        ("segments", codes.segments, tuple(metadata.labels.values())),
        ("inputs", codes.inputs, metadata.channels),
    ):
        for name in stated:
            if name not in known:
                document.wrong((table, name), f"is not in the bundle, whose metadata names {', '.join(known)}")


def _lacking(label: str, metadata: Metadata) -> str:
    return (
        f"{metadata.file}:{metadata.line(label)}: {label!r} has no code; state it in the codes as "
        f'[segments.{_text(label)}] type = {{ value = "...", scheme = "SCT", meaning = "..." }}'
    )


def manifest_of(name: str, metadata: Metadata, codes: Codes, licence: str) -> str:
    """`manifest.toml` without its digests, for the package `name`."""
    values = _values(metadata, codes)
    parts = [
        "# A MONAI bundle. What each table means: docs/models.md. How it is run: the bundle's own configs.",
        *_table("[identity]", _identity(name, metadata, licence)),
    ]
    for channel in metadata.channels:
        parts += _table("[[inputs]]", {"name": _slug(channel) if len(metadata.channels) > 1 else "image"})
        parts += _table("[inputs.conditions]", _conditions(channel, metadata, codes))
    shape = [1, len(metadata.channels), 0, 0, 0]
    network: JsonObject = {"file": BUNDLE, "kind": "bundle", "input": metadata.key, "outputs": ["pred"], "shape": shape}
    parts += _table("[network]", network)
    labels = [0, *values]
    if labels != list(range(len(labels))):
        relabel = [labels.index(value) if value in labels else 0 for value in range(max(labels) + 1)]
        parts += _table("[[postprocessing]]", {"step": "relabel", "labels": relabel})
    for number, label in enumerate(values.values(), start=1):
        parts += _table("[[segments]]", _segment(number, label, codes.segments[label]))
    volume = {"value": "118565006", "scheme": "SCT", "meaning": "Volume"}
    unit = {"value": "ml", "scheme": "UCUM", "meaning": "milliliter"}
    parts += _table("[[measurements]]", {"what": "volume", "name": volume, "unit": unit})
    return "\n".join(parts) + "\n"


def _values(metadata: Metadata, codes: Codes) -> dict[int, str]:
    """The labels by their voxels' value in the bundle's result, rising."""
    values = {
        channel if codes.segments[label].value is None else codes.segments[label].value: label
        for channel, label in metadata.labels.items()
    }
    if len(values) < len(metadata.labels) or not all(value and 0 < value <= 255 for value in values):
        raise ConfigurationError(
            f"{metadata.file}:{metadata.line(metadata.labels[min(metadata.labels)])}: the labels' channels are not "
            "their values in what the bundle saves; state `value`, from 1 to 255, of each label in the codes"
        )
    return {value: values[value] for value in sorted(one for one in values if one is not None)}


def _identity(name: str, metadata: Metadata, licence: str) -> dict[str, Json]:
    # 2.25 and a UUID as an integer (PS3.5 section B.2): another bundle, version or code has another.
    made_of = hashlib.sha256(f"{name}\n{metadata.text}".encode()).digest()
    device = UUID(bytes=made_of[:16], version=5).int
    return {
        "name": name,
        "version": str(metadata.values["version"])[:64],
        "title": (metadata.say("name") or metadata.say("task"))[:64],
        "manufacturer": (metadata.say("authors") or "unknown")[:64],
        "device_uid": f"2.25.{device}",
        "licence": licence,
        # Zoo bundles say "an example, not to be used for diagnostic purposes"; a person decides otherwise, not a text.
        "demonstration": True,
    }


def _conditions(channel: str, metadata: Metadata, codes: Codes) -> dict[str, Json]:
    stated = codes.inputs.get(channel, Conditions())
    modality = _MODALITIES.get(metadata.modality.upper())
    if not stated.modality and modality:
        stated = replace(stated, modality=(modality,))
    if not stated.modality or (len(metadata.channels) > 1 and channel not in codes.inputs):
        raise ConfigurationError(
            f"{metadata.file}:{metadata.line(channel)}: which series {channel!r} is read from is not known; state it "
            f'in the codes as [inputs.{_text(channel)}] modality = ["..."], series_description = "..."'
        )
    if not stated.not_image_type:
        stated = replace(stated, not_image_type=("LOCALIZER",))
    return {
        one.name: getattr(stated, one.name) for one in fields(stated) if getattr(stated, one.name) not in ((), None)
    }


def _segment(number: int, label: str, coding: Coding) -> dict[str, Json]:
    return {
        "number": number,
        "label": (coding.label or label)[:64],
        "category": asdict(coding.category),
        "type": asdict(coding.type),
        **({"laterality": asdict(coding.laterality)} if coding.laterality else {}),
        "colour": coding.colour or _COLOURS[(number - 1) % len(_COLOURS)],
    }


def licence_of(bundle: Path) -> str:
    """The licence in 64 characters, as the bundle's LICENSE begins; "not stated" without one."""
    files = [path for path in sorted(bundle.iterdir()) if path.name.upper().startswith(("LICENSE", "LICENCE"))]
    if not files:
        return "not stated"
    text = files[0].read_text("utf-8", errors="replace")
    named = [name for pattern, name in _LICENCES if re.search(pattern, text)]
    return named[0] if named else f"see bundle/{files[0].name}"[:64]


def card_of(name: str, metadata: Metadata, licence: str, readme: str, own_code: tuple[str, ...]) -> str:
    """`card.md`, of the metadata and the bundle's own README."""
    stated = {
        "Task": metadata.say("task"),
        "Authors": metadata.say("authors"),
        "Copyright": metadata.say("copyright"),
        "Licence": licence,
        "Data": metadata.say("data_source"),
        "Input": metadata.say("image_classes"),
        "Output": metadata.say("pred_classes"),
        "Made with": f"MONAI {metadata.say('monai_version')}, PyTorch {metadata.say('pytorch_version')}",
    }
    lines = [
        f"# {name} {metadata.values['version']}: {metadata.say('name') or metadata.say('task')}",
        "",
        "**Imported from a MONAI bundle; a demonstration until its site has judged it.**",
        f"Everything below is what the bundle says of itself ({BUNDLE}/{METADATA.as_posix()} and its README).",
        "",
        "## Intended use",
        metadata.say("intended_use") or "Not stated.",
        "",
        "## The bundle",
        metadata.say("description"),
        "",
        *(f"- {key}: {value}" for key, value in stated.items() if value),
        *_metrics(metadata),
    ]
    if own_code:
        lines += ["", "## Code of its own, which a person has trusted", *(f"- `{one}`" for one in own_code)]
    return "\n".join(lines) + (f"\n\n## The bundle's README\n\n{readme.strip()}\n" if readme else "\n")


def _metrics(metadata: Metadata) -> Iterator[str]:
    metrics = metadata.values.get("eval_metrics")
    if isinstance(metrics, dict):
        yield from (f"- {key}: {value} (stated by its makers)" for key, value in metrics.items())


def slug(text: str) -> str:
    """`text` as the name of a package: lower-case letters, digits and underscores."""
    made = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    return made if made[:1].isalpha() else f"bundle_{made}"


def _slug(channel: str) -> str:
    made = slug(channel)
    return made.removeprefix("bundle_") if made.removeprefix("bundle_")[:1].isalpha() else f"channel_{made[7:]}"


def _table(header: str, values: JsonObject) -> Iterator[str]:
    yield f"\n{header}"
    yield from (f"{key} = {_toml(value)}" for key, value in values.items())


def _toml(value: Json) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, str):
        return _text(value)
    return json.dumps(value)


def _text(value: str) -> str:
    """A basic string: JSON's escapes are TOML's, but DEL, which TOML alone wants escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

"""What a MONAI bundle says of itself: configs/metadata.json and configs/inference.json (or .yaml), read and not run."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from domain.errors import ConfigurationError
from domain.json_records import JsonObject

METADATA = Path("configs/metadata.json")
CONFIGS = tuple(Path(f"configs/inference.{suffix}") for suffix in ("json", "yaml", "yml"))

# What channel 0 is called where it is none of the labels.
_BACKGROUND = {"background", "bg", "other", "everything else", "others"}


@dataclass(frozen=True)
class Metadata:
    """The parts of metadata.json that a package needs.

    `key` is what the configs call the image, `channels` the names of its channels (one series each), `labels` those of
    the result's channels but the background, by channel. `file` and `text` are what was read.
    """

    file: Path
    text: str
    values: JsonObject
    key: str
    modality: str
    channels: tuple[str, ...]
    labels: Mapping[int, str]

    def say(self, name: str) -> str:
        """The text called `name`, "" where there is none."""
        value = self.values.get(name, "")
        return value if isinstance(value, str) else ""

    def line(self, label: str) -> int:
        """The line (from 1) that first names `label` after the word "outputs"."""
        start = max(0, self.text.find('"outputs"'))
        found = re.search(re.escape(json.dumps(label, ensure_ascii=False)), self.text[start:])
        return self.text.count("\n", 0, start + found.start() if found else 0) + 1


def read_metadata(bundle: Path) -> Metadata:
    """The metadata of the bundle in folder `bundle`.

    Raises ConfigurationError where it is missing, lacks what a package must know, or describes no segmentation of
    volumes.
    """
    file = bundle / METADATA
    text = _text(file)
    values = _parsed(text, file)
    for name in ("name", "version"):
        if not isinstance(values.get(name, values.get("task") if name == "name" else None), str):
            _wrong(file, name, "is missing")
    key, image = _only(file, values, "inputs")
    output = _segmentation(file, values)
    sizes = image.get("spatial_shape")
    if not isinstance(sizes, list) or len(sizes) != 3:
        _wrong(file, f"network_data_format.inputs.{key}.spatial_shape", "must have 3 sizes: only volumes are run")
    labels = {at: label for at, label in _names(file, output, "outputs").items() if label.casefold() not in _BACKGROUND}
    if not labels:
        _wrong(file, "network_data_format.outputs", "channel_def names no label")
    channels = tuple(_names(file, image, "inputs").values())
    return Metadata(file, text, values, key, str(image.get("modality", "")), channels, labels)


def read_config(bundle: Path) -> tuple[Path, JsonObject]:
    """The inference config of the bundle in folder `bundle`, with its path there; values as written."""
    for path in CONFIGS:
        if (bundle / path).is_file():
            return path, _parsed(_text(bundle / path), bundle / path)
    raise ConfigurationError(f"{bundle}: has no {' or '.join(path.as_posix() for path in CONFIGS)}")


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: cannot be read: {error}") from error


def _parsed(text: str, file: Path) -> JsonObject:
    values = _json(text, file) if file.suffix == ".json" else _yaml(text, file)
    if not isinstance(values, dict):
        raise ConfigurationError(f"{file}:1: must be a table")
    return values


def _json(text: str, file: Path) -> object:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        line = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise ConfigurationError(f"{file}{line}: not JSON: {error}") from error


def _yaml(text: str, file: Path) -> object:
    try:
        import yaml  # noqa: PLC0415  # an extra: most bundles are JSON
    except ImportError as error:
        raise ConfigurationError(f"{file}: is YAML, which is read by the extra: dicom-node[monai]") from error
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{file}: not YAML: {error}") from error


def _only(file: Path, values: JsonObject, side: str) -> tuple[str, JsonObject]:
    """The one input or output."""
    tables = _sides(file, values, side)
    if len(tables) != 1:
        _wrong(file, f"network_data_format.{side}", f"must be one table and is {len(tables)}")
    return next(iter(tables.items()))


def _segmentation(file: Path, values: JsonObject) -> JsonObject:
    found = [one for one in _sides(file, values, "outputs").values() if one.get("format") == "segmentation"]
    if len(found) != 1:
        _wrong(file, "network_data_format.outputs", 'must have one table of the format "segmentation"')
    return found[0]


def _sides(file: Path, values: JsonObject, side: str) -> Mapping[str, JsonObject]:
    network = values.get("network_data_format")
    tables = network.get(side) if isinstance(network, dict) else None
    if not isinstance(tables, dict) or not all(isinstance(one, dict) for one in tables.values()):
        _wrong(file, f"network_data_format.{side}", "is missing")
    return tables


def _names(file: Path, table: JsonObject, side: str) -> dict[int, str]:
    """channel_def as numbers and names, in order."""
    stated = table.get("channel_def")
    if not isinstance(stated, dict) or not all(key.isdecimal() and isinstance(stated[key], str) for key in stated):
        _wrong(file, f"network_data_format.{side}", "channel_def is missing: it names the channels by their numbers")
    return {int(key): stated[key].strip() for key in sorted(stated, key=int)}


def _wrong(file: Path, key: str, said: str) -> NoReturn:
    raise ConfigurationError(f"{file}: {key}: {said}")

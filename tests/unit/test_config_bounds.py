"""No setting takes a value that its own kind rules out: each number is finite and bounded, each name is one."""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from config.loading import load_settings
from config.section import Section
from config.settings import Settings
from domain.errors import ConfigurationError

# What must be given beside the field under test.
_NEEDED: dict[str, dict[str, Any]] = {
    "callers": {"aet": "CT1", "address": "10.0.0.1"},
    "destinations": {"aet": "PACS", "host": "10.0.0.1", "port": 104},
    "grants": {"value": "readers", "role": "radiologist"},
    "language_models": {"name": "house", "kind": "openai", "url": "http://10.0.0.1/v1", "model": "small"},
    "profiles": {"objects": ["SEG"]},
    "receivers": {"kind": "syslog", "name": "archive", "host": "10.0.0.1"},
    "sources": {"aet": "PACS", "host": "10.0.0.1", "port": 104},
    "witnesses": {"name": "vault", "kind": "file", "file": "/mnt/vault/checkpoints"},
    "vision_models": {"name": "eyes", "kind": "openai", "url": "http://10.0.0.1/v1", "model": "small"},
}


def fields(kind: type[Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """Every field of the settings; what a list or a table of tables holds is under its name."""
    for name, field in kind.model_fields.items():
        yield (*path, name), field
        for inner in (field.annotation, *get_args(field.annotation)):
            if isinstance(inner, type) and issubclass(inner, Section):
                yield from fields(inner, (*path, name))


def numbers() -> list[str]:
    """The dotted names of the settings that hold a number."""
    return [".".join(path) for path, field in fields(Settings) if {int, float} & set(_leaves(field.annotation))]


def _leaves(annotation: Any) -> Iterator[Any]:
    yield annotation
    for inner in get_args(annotation):
        yield from _leaves(inner)


def given(name: str, value: object) -> dict[str, Any]:
    """The overrides that set `name` to `value`, in a list or table of one where it lies in such."""
    *tables, last = name.split(".")
    field = {".".join(path): field for path, field in fields(Settings)}[name]
    inner: Any = {last: {"CT": value} if get_origin(field.annotation) is dict else value}
    for table in reversed(tables):
        inner = {**_NEEDED.get(table, {}), **inner}
        inner = {table: {"a": inner} if table == "profiles" else [inner] if table in _NEEDED else inner}
    return dict(inner)


def refusal(name: str, value: object) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(None, given(name, value))
    return str(caught.value)


def test_the_numbers_are_found_wherever_they_lie() -> None:
    assert {"assembly.settle", "assembly.settle_by_modality", "destinations.port", "listener.idle"} <= set(numbers())
    assert len(numbers()) > 25


@pytest.mark.parametrize("name", numbers())
@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, -1, -0.5, 1e300, 10**400, "inf", "many"])
def test_no_number_is_without_end_or_below_its_least_and_the_refusal_names_key_and_value(
    name: str, value: object
) -> None:
    said = refusal(name, value)
    assert f"command line: {name.split('.', maxsplit=1)[0]}." in said
    assert name.rsplit(".", maxsplit=1)[-1] in said


@pytest.mark.parametrize("name", ["assembly.settle", "listener.max_associations", "destinations.port"])
def test_a_switch_is_no_number(name: str) -> None:
    assert re.search(r"must be a (whole )?number, not true", refusal(name, True))


@pytest.mark.parametrize("name", ["assembly.settle", "delivery.first_delay"])
@pytest.mark.parametrize("value", [0, 1e-9])
def test_no_time_is_so_short_that_it_is_none(name: str, value: float) -> None:
    assert f"{name}: must be 0.001 or more, not {value}" in refusal(name, value)


@pytest.mark.parametrize(
    "name",
    [
        *("listener.artim", "listener.idle", "listener.message_time"),
        *("models.load_timeout", "models.timeout", "models.lease", "delivery.timeout"),
    ],
)
@pytest.mark.parametrize("value", [0.001, 0.999])
def test_no_time_in_which_others_must_act_is_one_in_which_nobody_can(name: str, value: float) -> None:
    assert f"{name}: must be 1 or more, not {value}" in refusal(name, value)


@pytest.mark.parametrize("name", ["listener.host", "http.host", "destinations.host"])
@pytest.mark.parametrize("value", ["a b", "http://x", "x/y", "-x", "x..y", "", " ", "a@b", "1.2.3.999", "x:104", "é"])
def test_no_host_is_what_no_network_has(name: str, value: str) -> None:
    assert "is neither a host's name nor an IP address" in refusal(name, value)


@pytest.mark.parametrize("value", ["pacs", "pacs.example.org", "10.0.0.1", "::1", "fe80::1%eth0", "orthanc_1", "x."])
def test_hosts_that_networks_have_are_taken(value: str) -> None:
    assert load_settings(None, {"listener": {"host": value}}).listener.host == value


@pytest.mark.parametrize("name", ["listener.aet", "listener.callers.aet", "destinations.aet"])
@pytest.mark.parametrize("value", ["SEVENTEEN_LETTERS", "A\\B", "A\x07B", "A\nB", "\0", "", "  ", "ÄRZTE"])
def test_no_ae_title_is_what_ps3_5_rules_out(name: str, value: str) -> None:
    assert "is no AE title: 1 to 16 " in refusal(name, value)


@pytest.mark.parametrize("value", ["A\x1b[31m", "", "n" * 65, "a\nb"])
def test_no_name_of_a_destination_upsets_who_shows_it(value: str) -> None:
    assert ".name: " in refusal("destinations.name", value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("bus.kafka", "broker:0"), ("bus.kafka", "broker:70000"), ("bus.kafka", "a b:9092"), ("bus.topic", "a b")],
)
def test_no_broker_and_no_topic_is_what_kafka_cannot_have(name: str, value: str) -> None:
    assert f"command line: {name}: " in refusal(name, value)


@pytest.mark.parametrize("modality", ["ct", "C\\T", "X" * 17, ""])
def test_a_modality_that_no_series_can_have_is_refused(modality: str) -> None:
    with pytest.raises(ConfigurationError, match=r"assembly\.settle_by_modality"):
        load_settings(None, {"assembly": {"settle_by_modality": {modality: 3}}})


def test_the_value_is_shown_beside_what_would_fit_unless_it_is_secret(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_text('[listener]\nport = 99999\n[database]\nurl = 12345\nowner_url = ["hush"]\n[models]\nengine = "x"\n')
    with pytest.raises(ConfigurationError) as caught:
        load_settings(file)
    said = str(caught.value).splitlines()
    assert f"{file}:2: listener.port: must be 65535 or less, not 99999" in said
    engine = next(line for line in said if line.startswith(f"{file}:7: models.engine: "))
    assert engine.endswith("'x' is none of auto, openvino, onnxruntime, torch, tensorrt")
    assert not [line for line in said if "12345" in line or "hush" in line]


def test_a_secret_that_stands_in_the_place_of_a_table_is_not_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(None, {"database": "postgresql://node:hush@db/node", "listener": "x:hush@y"})
    assert "hush" not in str(caught.value)


def test_the_settings_themselves_refuse_without_showing_values() -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"database": {"url": 5}})
    assert "input_value" not in str(caught.value)

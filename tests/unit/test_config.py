"""Settings and rules: where they come from, and that every mistake is named with its place."""

import json
import logging
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest

from config.loading import load_settings
from config.logs import set_up
from config.peers import Destination, parse_destination
from config.rules import load_rules
from config.settings import Logging
from domain.errors import ConfigurationError
from domain.profiles import BUILT_IN, Profile, Report, ResultKind, Segmentation
from tests.support.logged import hooks_kept


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def complaints(path: Path, **overrides: object) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path, overrides)
    return str(caught.value).splitlines()


def test_the_command_line_beats_the_environment_beats_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "node.toml", '[listener]\naet = "FILE"\nport = 1\nidle = 9\n[assembly]\nsettle = 2\n')
    monkeypatch.setenv("DICOM_NODE_LISTENER__AET", "ENVIRONMENT")
    monkeypatch.setenv("DICOM_NODE_LISTENER__PORT", "2")
    settings = load_settings(file, {"listener": {"port": 3}})
    assert (settings.listener.aet, settings.listener.port, settings.listener.idle) == ("ENVIRONMENT", 3, 9)
    assert settings.assembly.settle == 2
    assert settings.spool.segment == 32 << 20


def test_the_environment_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DICOM_NODE_CONFIG", str(write(tmp_path / "node.toml", 'data = "elsewhere"\n')))
    assert load_settings().data == tmp_path / "elsewhere"


def test_every_wrong_key_and_value_is_named_with_its_line(tmp_path: Path) -> None:
    file = write(
        tmp_path / "node.toml",
        '\n[listener]\naet = "MUCH_TOO_LONG_A_TITLE"\nprot = 104\n\n[spool]\nsegment = 9000001\n\n'
        '[[destinations]]\naet = "A"\nhost = "h"\nport = 104\n\n[[destinations]]\naet = "B"\nport = 0\n',
    )
    said = complaints(file)
    assert any(line.startswith(f"{file}:3: listener.aet: ") for line in said)
    assert f"{file}:4: listener.prot: is not a setting; did you mean port?" in said
    assert any(line.startswith(f"{file}:7: spool.segment (9000001) must be a multiple of 4096") for line in said)
    assert any(line.startswith(f"{file}:14: destinations.B.host: ") for line in said)
    assert any(line.startswith(f"{file}:16: destinations.B.port: ") for line in said)


def test_each_setting_that_is_no_toml_is_told_where_the_others_can_be_read_without_it(tmp_path: Path) -> None:
    text = "[listener]\naet = NODE\nport = 1\nport = 2\n[logging]\nlevel = Info\n[spool]\nfolder = [\n1\n"
    said = complaints(write(tmp_path / "node.toml", text))
    assert [int(line.split(":")[1]) for line in said[:3]] == [2, 4, 6]
    assert [line.endswith("the rest is looked at once this is right") for line in said] == [False, False, False, True]


@pytest.mark.parametrize("text", ["a = [\n{ b = X },\n]\nc = 1\n", 'a = """\nb = X\n', "[tab le]\nb = X\n"])
def test_what_may_belong_to_what_is_wrong_above_it_is_not_called_wrong(tmp_path: Path, text: str) -> None:
    assert len(complaints(write(tmp_path / "node.toml", text))) == 1


def test_what_is_no_toml_is_named_with_its_line(tmp_path: Path) -> None:
    assert complaints(write(tmp_path / "node.toml", "[listener]\nport = \n"))[0].startswith(f"{tmp_path}/node.toml:2: ")


def test_a_wrong_variable_and_a_wrong_option_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DICOM_NODE_LISTENER__PORT", "99999")
    monkeypatch.setenv("DICOM_NODE_LISTENR__PORT", "104")
    said = complaints(write(tmp_path / "node.toml", ""), destinations=["nowhere"])
    assert any(line.startswith("environment: DICOM_NODE_LISTENER__PORT: ") for line in said)
    assert "environment: DICOM_NODE_LISTENR__PORT is not a setting; did you mean DICOM_NODE_LISTENER__PORT?" in said
    assert "command line: destinations: 'nowhere' is not of the form AET@HOST:PORT" in said


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert complaints(tmp_path / "none.toml") == [f"{tmp_path}/none.toml: cannot be read: No such file or directory"]


@pytest.mark.parametrize("reader", [load_settings, load_rules])
def test_a_file_that_is_no_text_is_named_with_its_line(reader: Callable[[Path], object], tmp_path: Path) -> None:
    file = tmp_path / "latin1.toml"
    file.write_bytes(b"# written elsewhere\n# M\xfcnchen\n")
    with pytest.raises(ConfigurationError, match=f"^{file}:2: cannot be read: it is no text in UTF-8$"):
        reader(file)


def test_a_table_and_what_is_in_it_may_each_be_set_by_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DICOM_NODE_LISTENER__PORT", "104")
    monkeypatch.setenv("DICOM_NODE_LISTENER", '{"aet": "OURS", "port": 105, "callers": []}')
    monkeypatch.setenv("DICOM_NODE_ASSEMBLY__SETTLE_BY_MODALITY", '{"CT": 3}')
    monkeypatch.setenv("DICOM_NODE_DESTINATIONS", '["A@h:1"]')
    monkeypatch.setenv("DICOM_NODE_PROFILES__OURS__OBJECTS", '["SR"]')
    settings = load_settings()
    assert (settings.listener.aet, settings.listener.port) == ("OURS", 104)
    assert settings.assembly.settle_by_modality == {"CT": 3}
    assert settings.destinations == (Destination(name="A", aet="A", host="h", port=1),)
    assert settings.profile("ours").objects == (ResultKind.SR,)


@pytest.mark.parametrize(
    ("name", "text", "setting", "value"),
    [
        ("PRIVACY__DESCRIPTIONS", "no", ("privacy", "descriptions"), False),
        ("MODELS__REQUIRE_SIGNATURE", "False", ("models", "require_signature"), False),
        ("LISTENER__PORT", " 104", ("listener", "port"), 104),
        ("ASSEMBLY__SETTLE", "2.5", ("assembly", "settle"), 2.5),
        ("RETENTION__IMAGES_DAYS", "30", ("retention", "images_days"), 30),
        ("LISTENER__AET", "104", ("listener", "aet"), "104"),
    ],
)
def test_a_variable_is_a_text_and_gives_numbers_and_switches_all_the_same(
    name: str, text: str, setting: tuple[str, str], value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"DICOM_NODE_{name}", text)
    assert getattr(getattr(load_settings(), setting[0]), setting[1]) == value


@pytest.mark.parametrize("name", ["LISTENER__TRUST_LOOPBACK", "LISTENER__PORT", "ASSEMBLY__SETTLE"])
def test_a_variable_that_is_no_number_or_switch_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"DICOM_NODE_{name}", "perhaps")
    with pytest.raises(ConfigurationError, match=f"^environment: DICOM_NODE_{name}: .* must be "):
        load_settings()


@pytest.mark.parametrize("name", ["DICOM_NODE_DESTINATIONS", "DICOM_NODE_LISTENER__CALLERS", "DICOM_NODE_LISTENER"])
def test_a_variable_that_is_no_json_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "[PACS@10.1.0.10:104")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert str(caught.value).startswith(f"environment: {name}: is not JSON: a list is written as ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[models]\nengine = "opnvino"\n', "2: models.engine: 'opnvino' is none of auto, "),
        (
            '[[listener.callers]]\naet = "CT"\naddress = "ct.example"\n',
            "3: listener.callers.CT.address: 'ct.example' is ",
        ),
        ('[bus]\nkafka = "broker"\n', "2: bus.kafka: 'broker' is not of the form HOST:PORT"),
        ('[bus]\nkafka = "a:9092, b:port"\n', "2: bus.kafka: 'a:9092, b:port' is not of the form HOST:PORT"),
        ('destinations = ["A@h:1", "A@g:2"]\n', "1: two destinations have the same name"),
    ],
)
def test_a_value_that_no_role_could_use_is_named_where_it_stands(text: str, said: str, tmp_path: Path) -> None:
    file = write(tmp_path / "node.toml", text)
    assert complaints(file)[0].startswith(f"{file}:{said}")


@pytest.mark.parametrize("text", ["broker:9092", "a:9092,b:9092", "a.example:9092, [::1]:9092"])
def test_brokers_are_hosts_with_ports(text: str) -> None:
    assert load_settings(None, {"bus": {"kafka": text}}).bus.kafka == text


def test_an_unknown_profile_kind_or_class_is_named_with_its_line(tmp_path: Path) -> None:
    file = write(
        tmp_path / "node.toml",
        '[[destinations]]\naet = "A"\nhost = "h"\nport = 104\nprofile = "theirs"\n\n'
        '[profiles.ours]\nobjects = ["SEG", "SR"]\n',
    )
    known = "default, ohif, weasis, classic, reporting, ours"
    assert complaints(file) == [f"{file}:5: destinations.A.profile: there is no profile 'theirs'; known are {known}"]
    text = '[profiles.ours]\nobjects = ["SEG", "MESH"]\nreports = ["enhanced", "basic"]\nsegmentation = "binary"\n'
    said = complaints(write(file, text))
    assert said[0].startswith(f"{file}:2: profiles.ours.objects: 'MESH' is none of SEG, SR-REGIONS, ")
    assert said[1].startswith(f"{file}:3: profiles.ours.reports: 'basic' is none of comprehensive-3d, ")
    assert said[2] == f"{file}:4: profiles.ours.segmentation: is not a setting; did you mean segmentations?"


def test_a_site_has_profiles_of_its_own_beside_the_built_in_ones(tmp_path: Path) -> None:
    text = '[profiles.ours]\nobjects = ["SR", "SEG"]\nreports = ["enhanced"]\nsegmentations = ["label-map", "binary"]\n'
    settings = load_settings(write(tmp_path / "node.toml", text))
    assert settings.profile("ours") == Profile(
        "ours", (ResultKind.SR, ResultKind.SEG), (Report.ENHANCED,), (Segmentation.LABEL_MAP, Segmentation.BINARY)
    )
    assert settings.profile("classic") is BUILT_IN["classic"]


def test_two_destinations_of_one_name_are_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "node.toml", 'destinations = ["A@h:1", "A@g:2"]\n')
    assert "two destinations have the same name" in complaints(file)[0]


def test_a_spool_that_cannot_hold_what_the_listener_may_take_is_refused_with_the_sum_that_would_fit(
    tmp_path: Path,
) -> None:
    text = "[listener]\nmax_instance = 1073741824\nmax_associations = 20\n[spool]\ncapacity = {}\n"
    (said,) = complaints(write(tmp_path / "node.toml", text.format(1 << 30)))
    for word in ("spool.capacity (1073741824)", "listener.max_instance (1073741824)", "listener.max_associations (20)"):
        assert word in said
    fitting = int(said.partition("spool.capacity = ")[2].split()[0])
    assert load_settings(write(tmp_path / "node.toml", text.format(fitting))).spool.capacity == fitting
    assert complaints(write(tmp_path / "node.toml", text.format(fitting - 4096)))


def test_more_associations_than_segments_are_refused(tmp_path: Path) -> None:
    text = "[listener]\nmax_associations = 200\nmax_instance = 1048576\n[spool]\ncapacity = 3221225472\n"
    (said,) = complaints(write(tmp_path / "node.toml", text))
    assert "is 96 segments" in said
    assert "listener.max_associations (200)" in said


@pytest.mark.parametrize(
    ("text", "name", "aet", "host", "port"),
    [
        ("PACS@10.0.0.1:104", "PACS", "PACS", "10.0.0.1", 104),
        ("main=PACS@pacs.example:11112", "main", "PACS", "pacs.example", 11112),
        ("PACS@[::1]:104", "PACS", "PACS", "::1", 104),
    ],
)
def test_a_destination_is_read_from_one_word(text: str, name: str, aet: str, host: str, port: int) -> None:
    assert Destination.model_validate(text) == Destination(name=name, aet=aet, host=host, port=port)


@pytest.mark.parametrize("text", ["PACS", "PACS@host", "@host:1", "PACS@:1", "PACS@host:x"])
def test_a_word_that_is_no_destination_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="AET@HOST:PORT"):
        parse_destination(text)


def test_rules_are_read_in_their_order(tmp_path: Path) -> None:
    file = write(
        tmp_path / "rules.toml",
        '[[rule]]\nname = "one"\nmodel = "m"\n[rule.when]\nmodality = ["CT"]\nmax_spacing_mm = 2.5\n'
        '[[rule]]\nname = "two"\nmodel = "m"\n',
    )
    first, second = load_rules(file)
    assert (first.name, first.model, first.when.modality) == ("one", "m", ("CT",))
    assert first.when.max_spacing_mm == 2.5
    assert second.when.modality == ()


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    with hooks_kept():
        yield logging.getLogger("roles.work")


def test_a_log_line_is_json_with_its_ids_beside_the_message(log: logging.Logger) -> None:
    stream = StringIO()
    set_up(Logging(), "work", stream)
    log.info("inference ended", extra={"study": "s", "job": "j"})
    line = json.loads(stream.getvalue())
    assert (line["role"], line["message"], line["study"], line["job"]) == ("work", "inference ended", "s", "j")


def test_a_readable_log_line_carries_the_same(log: logging.Logger) -> None:
    stream = StringIO()
    set_up(Logging(format="text"), "work", stream)
    log.warning("inference ended", extra={"study": "s"})
    assert "work     WARNING inference ended study=s" in stream.getvalue()


def test_a_relative_path_in_a_table_of_a_list_is_one_beside_the_file(tmp_path: Path) -> None:
    file = write(
        tmp_path / "node.toml",
        '[[destinations]]\naet = "A"\nhost = "127.0.0.1"\nport = 104\ntls = true\nca = "tls/ca.pem"\n'
        '[[sources]]\nkind = "orthanc"\nurl = "https://o.example/"\nuser = "u"\npassword_file = "o.pw"\n'
        '[web]\ncallers = [{ aet = "G", token_file = "g.token" }, { aet = "H", token_file = "/h.token" }]\n'
        '[[language_models]]\nname = "m"\nkind = "local"\nfile = "m.gguf"\n',
    )
    settings = load_settings(file)
    assert settings.destinations[0].ca == tmp_path / "tls" / "ca.pem"
    assert settings.sources[0].password_file == tmp_path / "o.pw"
    assert [one.token_file for one in settings.web.callers] == [tmp_path / "g.token", Path("/h.token")]
    assert settings.language_models[0].file == tmp_path / "m.gguf"

"""Whatever an administrator gets wrong in the settings, `config check` says: file, line, and what to write instead."""

import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli.app import app
from inference_worker.engines.libraries import is_installed
from tests.support.node import PROGRAM, own_folder
from tests.support.processes import free_port

# What stands in the file, and the line that is expected: @ is the file with the line's number behind it, {here} the
# folder, {taken} a port that another program has, {free} one that nobody has.
WRONG: dict[str, tuple[str, str]] = {
    "a key that is none": ("[listener]\nprot = 104\n", "@2: listener.prot: is not a setting; did you mean port?"),
    "a table that is none": ("[listner]\nport = 104\n", "@1: listner: is not a setting; did you mean listener?"),
    "a key outside its table": ("aet = 'X'\n", "@1: aet: is not a setting here; did you mean listener.aet?"),
    "a key of another program": ("[delivery]\nretries = 3\n", "@2: delivery.retries: is not a setting; known here are"),
    "a log that is a folder": ('[logging]\nfile = "."\n', "@2: logging.file: {here} is a folder, and a file is needed"),
    "no TOML": ("[listener]\nport = \n", "@2: not TOML: "),
    "a port beyond all": ("[listener]\nport = 70000\n", "@2: listener.port: must be 65535 or less, not 70000"),
    "a port in words": ("[listener]\nport = 'dicom'\n", "@2: listener.port: must be a whole number"),
    "a title that is too long": ("[listener]\naet = 'RADIOLOGY_AI_NODE_1'\n", "@2: listener.aet: 'RADIOLOGY_AI_NODE_1"),
    "an address with its port": (
        "[listener]\nhost = '10.1.0.5:104'\n",
        "@2: listener.host: '10.1.0.5:104' is neither a host's name nor an IP address: write 10.1.0.5, and the port as",
    ),
    "an address that is another machine's": (
        "[listener]\nhost = '192.0.2.1'\n",
        "@2: listener.host: 192.0.2.1 is no address of this machine: 0.0.0.0 stands for all that it has",
    ),
    "a port that is taken": (
        "[listener]\nport = {taken}\n",
        "@2: listener.port: 127.0.0.1:{taken} cannot be opened: Address already in use. Another program has it",
    ),
    "a health port that is taken": (
        "[listener]\nport = {free}\n[http]\nport = {taken}\n",
        "@4: http.port: 127.0.0.1:{taken} cannot be opened: Address already in use",
    ),
    "room that the disk does not have": (
        "[retention]\nkeep_free = 70_000_000_000_000\n",
        "@2: retention.keep_free (70000000000000): the whole disk of ",
    ),
    "a caller that stands for everybody": (
        '[listener]\nport = {free}\nhost = "0.0.0.0"\ncallers = [{{ aet = "*", address = "10.1.0.0/16" }}]\n',
        "NOTE: @4: listener.callers names '*': an AE title is taken letter for letter",
    ),
    "a caller in one word": (
        'listener.callers = ["CT1@10.1.0.11"]\n',
        "@1: listener.callers.CT1: must be a table, as {{ aet = ..., address = ... }}",
    ),
    "a list that lacks a comma": (
        '[listener]\ncallers = [\n{{ aet = "CT", address = "10.1.2.3" }}\n{{ aet = "MR", address = "10.1.2.4" }},\n]\n',
        "@4: not TOML: a comma is missing at the end of line 3; the rest is looked at once this is right",
    ),
    "ports that overlap": ("[http]\nport = 11112\n", "@2: http.port (11112) is listener.port: 11113 would fit"),
    "a host for a caller's address": (
        '[[listener.callers]]\naet = "CT"\naddress = "ct1"\n',
        "@3: listener.callers.CT.address: 'ct1' is neither an IP address nor a network such as 10.1.0.0/16: write the",
    ),
    "a range for a caller's address": (
        'listener.callers = [{{ aet = "MR", address = "10.1.0.1-10.1.0.9" }}]\n',
        "@1: listener.callers.MR.address: '10.1.0.1-10.1.0.9' is neither an IP address nor a network such",
    ),
    "everybody by a wrong address": (
        'listener.callers = [{{ aet = "MR", address = "0.0.0.0" }}]\n',
        "@1: listener.callers.MR.address: '0.0.0.0' is an address that nobody calls from; 0.0.0.0/0 stands for everybo",
    ),
    "callers before a closed door": (
        '[listener]\nport = {free}\ncallers = [{{ aet = "CT", address = "10.1.2.3" }}]\n',
        "@3: listener.callers names CT (10.1.2.3), and listener.host (127.0.0.1) can be reached from this machine alon",
    ),
    "an open door that lets nobody in": (
        "[listener]\nport = {free}\nhost = '0.0.0.0'\n",
        "NOTE: @3: listener.host (0.0.0.0) is open to the network and listener.callers is empty: this machine alone ma",
    ),
    "nobody at all": ("[listener]\ntrust_loopback = false\n", "@2: listener.trust_loopback is false and listener.call"),
    "an archive of no known address": (
        '[[destinations]]\naet = "PACS"\nhost = "pacs.invalid"\nport = 104\n',
        "@3: destinations.PACS: no address is known of the host 'pacs.invalid': ",
    ),
    "an archive without an address": (
        '[[destinations]]\naet = "PACS"\nport = 104\n', "@1: destinations.PACS.host: is missing"
    ),
    "an archive in one word that lacks a part": (
        'destinations = ["PACS@10.1.0.9"]\n',
        "@1: destinations.PACS: 'PACS@10.1.0.9' is not of the form AET@HOST:PORT",
    ),
    "an archive that is the node itself": (
        '[listener]\nport = {free}\n[[destinations]]\naet = "A"\nhost = "localhost"\nport = {free}\n',
        "@3: destinations.A is at the node's own listener.port ({free})",
    ),
    "an archive that is the node by its machine's name": (
        '[listener]\nhost = "0.0.0.0"\nport = {free}\n[[destinations]]\naet = "A"\nhost = "{name}"\nport = {free}\n',
        "@4: destinations.A ({name}:{free}) is the node itself: its own listener.port is {free}",
    ),
    "an archive twice": (
        'destinations = ["one=A@127.0.0.1:104", "two=A@127.0.0.1:104"]\n',
        "NOTE: @1: destinations.two is one once more (A@127.0.0.1:104): it gets all results twice",
    ),
    "two archives of one name": (
        'destinations = ["A@127.0.0.1:1", "A@127.0.0.1:2"]\n', "@1: two destinations have the same name: 'A'"
    ),
    "a profile that is none": (
        '[[destinations]]\naet = "A"\nhost = "127.0.0.1"\nport = 1\nprofile = "clasic"\n',
        "@5: destinations.A.profile: there is no profile 'clasic'; known are default, ohif, weasis, classic, reporting",
    ),
    "a profile that is none, where another is wrong": (
        'destinations = [{{ aet = "A", host = "127.0.0.1", port = 1, profile = "Ward" }}]\n[profiles.x]\n',
        "@1: destinations.A.profile: there is no profile 'Ward'; known are ",
    ),
    "another database's scheme": (
        '[database]\nurl = "mysql://db/node"\n', "@2: database.url: the database's URL is not of the form postgresql://"
    ),
    "a database on an unknown host": (
        '[database]\nurl = "postgres://db.invalid/node"\n', "@2: database.url: no address is known of the host 'db.inva"
    ),
    "a file of a secret that is not there": (
        '[database]\nurl_file = "url.txt"\n', "@2: database.url_file: {here}/url.txt cannot be read: No such file"
    ),
    "a broker with a scheme": (
        '[bus]\nkafka = "kafka://broker:9092"\n', "@2: bus.kafka: 'kafka://broker:9092' is not of the form HOST:PORT, s"
    ),
    "a password that would be read on the way": (
        '[bus]\nsasl = "SCRAM-SHA-256"\nuser = "u"\npassword_file = "p"\n', "@2: bus.sasl is SCRAM-SHA-256 and bus.tls"
    ),
    "a data folder that is a file": ('data = "node.toml"\n', "@1: data: {here}/node.toml is a file, and a folder is n"),
    "a data folder below a file": (
        'data = "node.toml/data"\n', "@1: data: {here}/node.toml/data cannot be a folder: {here}/node.toml is a file"
    ),
    "a data folder where none can be made": (
        'data = "/proc/dicom-node"\n', "@1: data: /proc/dicom-node cannot be made: the file system of /proc takes no fo"
    ),
    "a data folder of a shell's": ('data = "~/node"\n', "@1: data: '~/node' begins with ~, which a shell alone unders"),
    "a data folder without a name": ('data = ""\n', "@1: data: '' is empty: write the path, or . for the current fold"),
    "a spool that is larger than its disk": (
        "[spool]\ncapacity = 70368744177664\n", "@2: spool.disk_floor (1073741824) and spool.capacity (70368744177664)"
    ),
    "a segment that no record fits": ("[spool]\nsegment = 9000001\n", "@2: spool.segment (9000001) must be a multiple"),
    "times in the wrong order": ("[delivery]\nfirst_delay = 901\n", "@2: delivery.first_delay (901) is longer than de"),
    "a port in quotes": ('[listener]\nport = "11112"\n', "@2: listener.port: must be a whole number, without quotes"),
    "a switch in quotes": ('[bus]\ntls = "true"\n', "@2: bus.tls: must be true or false, without quotes, not"),
    "a switch in words": (
        '[listener]\ntrust_loopback = "no"\n', "@2: listener.trust_loopback: must be true or false, no"
    ),
    "a switch for a number": (
        "[listener]\nmax_associations = true\n", "@2: listener.max_associations: must be a whole number, not tr"
    ),
    "a number in words": (
        '[listener]\nidle = "eleven"\n', "@2: listener.idle: must be a number, in seconds, not 'eleven'"
    ),
    "days for seconds": (
        '[delivery]\ngive_up_after = "7 days"\n', "@2: delivery.give_up_after: must be a number, in seconds: 604800"
    ),
    "a size in its own unit": (
        '[listener]\nmax_pdu = "256 KiB"\n', "@2: listener.max_pdu: must be a whole number, in bytes: 262144"
    ),
    "an address and its network in one": (
        '[listener]\nhost = "0.0.0.0"\ncallers = [{{ aet = "CT", address = "10.1.2.3/8" }}]\n',
        "@3: listener.callers.CT.address: '10.1.2.3/8' is an address and a network in one: write 10.1.2.3 for that",
    ),
    "a table that is opened twice": (
        '[listener]\naet = "A"\n[listener]\n', "@3: not TOML: listener is written at line 1 already: put its keys t"
    ),
    "a key that is given twice": ("[listener]\nport = 1\nport = 2\n", "@3: not TOML: port is given a second time"),
    "a list that is written in two ways": (
        '[listener]\ncallers = []\n[[listener.callers]]\naet = "A"\n',
        "@3: not TOML: listener.callers is written whole at line 2, in [ ] or {{ }}: what is to be added to it stands",
    ),
    "a profile that is built in, and the site's own": (
        '[profiles.default]\nobjects = ["SR"]\n',
        "NOTE: @1: profiles.default takes the place of the built-in profile of this name for every",
    ),
    "a hold that is shorter than the silence": (
        "[assembly]\nsettle = 60\nhold = 1\n",
        "NOTE: @3: assembly.hold (1) is shorter than assembly.settle (60): a study whose",
    ),
    "more memory than there is": (
        "[models]\nmemory_gb = 9000\n", "NOTE: @2: models.memory_gb (9000) is more than this machine has ("
    ),
    "a unit in a number": (
        '[assembly]\nsettle = "5 s"\n', "@2: assembly.settle: must be a number, in seconds: 5, not '5 s'"
    ),
    "an engine that is none": (
        '[models]\nengine = "opnvino"\n',
        "@2: models.engine: 'opnvino' is none of auto, openvino, onnxruntime, torch, tensorrt; did you mean openvino?",
    ),
    "an engine that is not installed": ('[models]\nengine = "tensorrt"\n', "@2: models.engine: tensorrt is not"),
    "a card that is none": ('[models]\ndevice = "cuda:99"\n', "@2: models.device: cuda:99: this machine has"),
    "a release without its version": ('[models]\nallow_older = ["ct_lung"]\n', "@2: models.allow_older: 'ct_lung' is"),
    "a folder of models that is not there": ('[models]\nfolder = "modles"\n', "@2: models.folder: {here}/modles is no"),
    "a key that is no key": ('[models]\ntrusted_keys = ["node.toml"]\n', "@2: models.trusted_keys: {here}/node.toml"),
    "a signature that nobody could have made": ("[models]\nrequire_signature = true\n", "@2: models.require_signature"),
    "packages that are asked what is not kept": (
        "[privacy]\ndescriptions = false\n",
        "NOTE: @2: model package brain_tumor does not run: its intended use asks for descriptions, which",
    ),
    "a modality that is none": (
        '[assembly]\nsettle_by_modality = {{ MRI = 9 }}\n',
        "NOTE: @2: assembly.settle_by_modality: 'MRI' is no modality of the standard (PS3.3 C.7.3.1.1.1); did you mean",
    ),
}  # fmt: skip

# The same of a rules file; @ is that file.
WRONG_RULES: dict[str, tuple[str, str]] = {
    "a model that is none": (
        'model = "ct_lungs"', "@3: rule.one.model: there is no model package 'ct_lungs'; did you mean ct_lung?"
    ),
    "a condition that is none": (
        'model = "ct_lung"\nwhen = {{ modalty = ["CT"] }}', "@4: rule.one.when.modalty: is not a key here; "
    ),
    "another modality than its model's": (
        'model = "ct_lung"\nwhen = {{ modality = ["MRI"] }}',
        "@4: rule.one.when.modality: can never be met by ct_lung's input 'ct': MRI is none of CT",
    ),
    "more slices than its model's": (
        'model = "ct_lung"\nwhen = {{ min_slices = 3000 }}',
        "@4: rule.one.when.min_slices: can never be met by ct_lung's input 'ct': 3000 is more than its max_slices (200",
    ),
    "a caller that is none": (
        'model = "ct_lung"\nwhen = {{ calling_ae = ["CT_ERR"] }}',
        "@4: rule.one.when.calling_ae: nobody calls as 'CT_ERR'; did you mean CT_ER?",
    ),
    "models that no rule names": ('model = "ct_lung"', "NOTE: @1: no rule names brain_tumor, ct_nodules, cxr_findings"),
}  # fmt: skip
_CLOSED = (
    '[listener]\nhost = "0.0.0.0"\ntrust_loopback = false\ncallers = [{{ aet = "CT_ER", address = "10.1.2.3" }}]\n'
)


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield {"taken": str(other.getsockname()[1]), "free": str(free_port()), "name": socket.gethostname()}


@pytest.fixture(autouse=True)
def _no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("DICOM_NODE_")]:
        monkeypatch.delenv(name)


def checked(file: Path) -> tuple[int, list[str]]:
    """The exit code of `config check`, and what it says."""
    done = CliRunner().invoke(app, ["config", "check", str(file)])
    assert "Traceback" not in done.output
    return done.exit_code, done.stderr.splitlines()


def proves(expected: str, file: Path, code: int, said: list[str]) -> bool:
    """Whether the line is there, and the exit code says that something is wrong where it is no remark."""
    assert code == (1 if any(not line.startswith("NOTE: ") for line in said) else 0), said
    expected = re.sub("^(NOTE: )?@", lambda found: f"{found[1] or ''}{file}:", expected)
    return any(line.startswith(expected) for line in said)


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_setting_is_told_with_its_line_and_what_would_be_right(
    case: str, words: dict[str, str], tmp_path: Path
) -> None:
    if case == "an engine that is not installed" and is_installed("tensorrt"):
        pytest.skip("it is installed here")
    file, (text, expected) = tmp_path / "node.toml", WRONG[case]
    file.write_text(text.format(**words, here=tmp_path))
    code, said = checked(file)
    assert proves(expected.format(**words, here=tmp_path), file, code, said), said


@pytest.mark.parametrize("case", WRONG_RULES)
def test_a_rule_that_can_never_fire_is_told_with_its_line(case: str, tmp_path: Path) -> None:
    file, rules, (text, expected) = tmp_path / "node.toml", tmp_path / "rules.toml", WRONG_RULES[case]
    rules.write_text(f'[[rule]]\nname = "one"\n{text.format()}\n')
    file.write_text(f'{_CLOSED.format()}\n[models]\nrules = "rules.toml"\n')
    code, said = checked(file)
    assert proves(expected, rules, code, said), said


def test_everything_that_is_wrong_is_told_at_once_and_in_the_order_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_text(
        'data = "/proc/x"\n[listener]\nhost = "192.0.2.1"\nprot = 3\n[[destinations]]\naet = "A"\nhost = "a.invalid"\n'
        'port = 1\nprofile = "x"\n[models]\nengine = "x"\nrules = "no.toml"\ntrusted_keys = ["no.pem"]\n'
    )
    done = CliRunner().invoke(app, ["config", "check", str(file), "--json"])
    answer = json.loads(done.stdout)
    assert [int(line.removeprefix(f"{file}:").partition(":")[0]) for line in answer["complaints"]] == [
        *(1, 3, 4, 7, 9, 11, 12, 13)
    ]
    assert (answer["ok"], done.exit_code) == (False, 1)


@pytest.mark.parametrize("folder", ["", 'folder = "gone"\n'])
def test_everything_that_is_wrong_in_a_file_of_rules_is_told_at_once(folder: str, tmp_path: Path) -> None:
    file, rules = tmp_path / "node.toml", tmp_path / "rules.toml"
    rules.write_text(
        '[[rule]]\nname = "one"\nmodel = "ct_lungs"\n[rule.when]\nseries_description = "thorax|(chest"\n'
        'min_images = 3\nmodalty = ["CT"]\n[[rule]]\nname = "one"\nmodel = "ct_lung"\n'
    )
    file.write_text(f'[models]\nrules = "rules.toml"\n{folder}')
    _, said = checked(file)
    told = {line.partition(f"{rules}:")[2].partition(": ")[0]: line for line in said if str(rules) in line}
    assert {"5", "6", "7", "9"} | ({"3"} if not folder else set()) == {*told} - {"1"}
    assert told["6"].endswith("did you mean min_slices?")
    assert told["9"] == f"NOTE: {rules}:9: rule.one.name: rule 1 of the file has this name too: give each its own"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[database]\nurl = "mysql://db/node"\n', "2: database.url: the database's URL is not of the form"),
        ('[models]\ntrusted_keys = ["node.toml"]\n', "2: models.trusted_keys: {here}/node.toml"),
        ('[logging]\nfile = "/proc/x/log"\n', "2: logging.file: /proc/x cannot be made"),
        ('[models]\nfolder = "gone"\n', "2: models.folder: {here}/gone is not there"),
        ('[bus]\nkafka = "127.0.0.1:1"\ntls = true\nca = "gone.pem"\n', "4: bus.ca: {here}/gone.pem is not there"),
        ("[listener]\nport = {taken}\n", "2: listener.port: 127.0.0.1:{taken} cannot be opened"),
    ],
)
def test_up_ends_with_code_2_and_the_line_where_a_setting_lets_no_role_do_its_work(
    text: str, expected: str, words: dict[str, str]
) -> None:
    with own_folder() as folder:
        file = folder / "node.toml"
        own = "" if "[listener]" in text else "[listener]\nport = 0\n"
        file.write_text(text.format(**words) + own)
        command = [*PROGRAM, "up", "--config", str(file), "--data", str(folder / "data")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert f"{file}:{expected.format(**words, here=folder)}" in done.stderr


@pytest.mark.parametrize(
    ("role", "text", "said"),
    [
        ("listen", "[listener]\nport = {taken}\n", ":3: listener.port: 127.0.0.1:{taken} cannot be opened"),
        ("work", '[models]\nfolder = "none-here"\n', ":3: models.folder: "),
        (
            "retain",
            "[retention]\nkeep_free = 70_000_000_000_000\n",
            ":3: retention.keep_free (70000000000000): ",
        ),
        ("deliver", '[database]\nurl = "mysql://db/node"\n', ":3: database.url: "),
    ],
)
def test_a_role_that_is_started_by_itself_ends_with_the_line_that_up_would_end_with(
    role: str, text: str, said: str, tmp_path: Path, words: dict[str, str]
) -> None:
    file = tmp_path / "node.toml"
    file.write_text('data = "data"\n' + text.format(**words))
    done = subprocess.run([*PROGRAM, role, "--config", file], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 2, done.stderr
    assert f"{file}{said.format(**words)}" in done.stderr
    assert "Traceback" not in done.stderr

"""The `models` commands: making a package, knowing it, trusting it, proving it, and taking over what others made."""

import hashlib
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from console.cli.app import app
from tests.support.downloads import write_bundle
from tests.support.model_packages import write_package
from tests.support.packages import network
from tests.support.packages import write_package as write_real_package


@pytest.fixture(autouse=True)
def _no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("DICOM_NODE_")]:
        monkeypatch.delenv(name)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["models", *(str(one) for one in arguments)])


def read(*arguments: object, code: int = 0) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_package(tmp_path / "packages")
    return tmp_path / "packages"


def test_the_list_says_who_signed_what(folder: Path) -> None:
    (toy,) = read("list", "--models", folder)["models"]
    assert (toy["name"], toy["version"], toy["signature"], toy["licence"]) == ("toy", "1.2.3", "unsigned", "Apache-2.0")
    assert "unsigned" in run("list", "--models", folder).stdout


def test_show_tells_what_a_person_asks(folder: Path) -> None:
    said = run("show", "toy", "--models", folder).stdout
    for words in (
        "A toy (toy 1.2.3)",
        "not for clinical use",
        "modality CT",
        "slices at least 3",
        "up to 1 single missing slices",
        "axes SPL",
        "largest_component",
        "left Lung (SCT 39607008)",
        "Volume in ml",
        "# A toy",
    ):
        assert words in said, words


def test_show_as_json_has_every_step_with_its_word(folder: Path) -> None:
    said = read("show", "toy", "--models", folder)
    assert [step["step"] for step in said["preprocessing"]] == ["orientation", "window", "spacing", "pad"]
    assert said["guards"][0]["check"] == "extent"
    assert "modality CT" in said["inputs"][0]["in_words"]
    assert said["signature"] == "unsigned"


@pytest.mark.parametrize("command", [["list"], ["show", "toy"], ["verify", "--files"], ["pull", "--list"]])
def test_packages_are_known_where_no_engine_is_installed(folder: Path, command: list[str]) -> None:
    absent = ("numpy", "scipy", "openvino", "onnxruntime", "torch", "highdicom", "pydicom.pixels")
    program = f"import sys; sys.modules.update(dict.fromkeys({absent!r})); from console.cli.main import main; main()"
    where = ["--models", str(folder)]
    words = [sys.executable, "-c", program, "models", *command, *where]
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "toy" in result.stdout or "monai_spleen_ct" in result.stdout


def test_a_model_that_is_not_there_is_answered_with_those_that_are(folder: Path) -> None:
    result = run("show", "absent", "--models", folder)
    assert result.exit_code == 1
    assert "'absent'; known: toy" in result.stderr


def test_a_network_becomes_a_package_in_four_commands(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(network())
    package = tmp_path / "mine"
    assert run("new", package, "--onnx", tmp_path / "net.onnx").exit_code == 0
    (drafted,) = read("verify", package, code=1)["models"]
    assert all(one.startswith(f"{package / 'manifest.toml'}:") for one in drafted["faults"])
    assert len(drafted["faults"]) > 3
    write_real_package(tmp_path / "whole")
    filled = (tmp_path / "whole" / "body_and_bone" / "manifest.toml").read_text().replace("body_and_bone", "mine")
    (package / "manifest.toml").write_text(filled.partition("[digests]")[0])
    (package / "card.md").write_text("# Mine\n\n## What it is for\n\nTests.\n")
    assert run("digest", package).exit_code == 0
    (verified,) = read("verify", package)["models"]
    assert verified["intact"] and "a series of 500 slices takes about" in verified["remarks"][0]
    assert verified["digest"] == run("digest", package).stdout.strip()


def test_a_changed_file_is_broken_until_it_is_given_a_new_digest(folder: Path) -> None:
    (folder / "toy" / "card.md").write_text("other words")
    (found,) = read("verify", "--files", "--models", folder, code=1)["models"]
    assert "card.md: is not the file" in found["reason"]
    assert run("digest", folder / "toy").exit_code == 0
    assert run("verify", "toy", "--files", "--models", folder).exit_code == 0


def test_a_package_that_is_wrong_does_not_hide_what_is_said_of_the_others(folder: Path) -> None:
    write_real_package(folder)
    manifest = folder / "toy" / "manifest.toml"
    manifest.write_text(
        manifest.read_text().replace("missing_slices = 1", "missing_slices = -1").replace("255]", "256]")
    )
    sound, wrong = read("verify", "--files", "--models", folder, code=1)["models"]
    assert sound["name"] == "body_and_bone" and sound["intact"]
    assert wrong["name"] == "toy" and "inputs.0.missing_slices: must be 0 or more" in wrong["faults"][0]
    assert [one["name"] for one in read("list", "--models", folder, code=1)["models"]] == ["body_and_bone"]


def test_a_folder_that_is_no_package_has_no_digest(tmp_path: Path) -> None:
    result = run("digest", tmp_path)
    assert result.exit_code == 1
    assert "has no manifest.toml" in result.stderr


def test_signatures_are_made_shown_and_required(folder: Path, tmp_path: Path) -> None:
    assert run("keygen", tmp_path / "us.pem").exit_code == 0
    public = tmp_path / "us.pub.pem"
    strict = ("verify", "--files", "--models", folder, "--require-signature", "--trust", public)
    (found,) = read(*strict, code=1)["models"]
    assert "the package is unsigned; trusted keys: us" in found["reason"]
    assert run("sign", folder / "toy", "--key", tmp_path / "us.pem").exit_code == 0
    (found,) = read(*strict)["models"]
    assert found["intact"]
    assert found["signature"].startswith("signed by us (")
    (found,) = read("verify", "--files", "--models", folder)["models"]
    assert found["signature"] == "signed by no trusted key"


def test_settings_may_require_signatures(folder: Path, tmp_path: Path) -> None:
    run("keygen", tmp_path / "us.pem")
    settings = tmp_path / "node.toml"
    settings.write_text(
        f'[models]\nfolder = "{folder}"\nrequire_signature = true\ntrusted_keys = ["{tmp_path / "us.pub.pem"}"]\n'
    )
    assert run("verify", "--files", "--config", settings).exit_code == 1
    run("sign", folder / "toy", "--key", tmp_path / "us.pem")
    assert run("verify", "--files", "--config", settings).exit_code == 0


def test_a_locked_key_asks_for_its_passphrase(folder: Path, tmp_path: Path) -> None:
    made = CliRunner().invoke(app, ["models", "keygen", str(tmp_path / "us.pem"), "--passphrase"], input="word\nword\n")
    assert made.exit_code == 0, made.output
    sign = ["models", "sign", str(folder / "toy"), "--key", str(tmp_path / "us.pem")]
    assert CliRunner().invoke(app, sign, input="other\n").exit_code == 1
    assert CliRunner().invoke(app, sign, input="word\n").exit_code == 0


def test_a_package_that_is_not_whole_is_not_signed(folder: Path, tmp_path: Path) -> None:
    run("keygen", tmp_path / "us.pem")
    (folder / "toy" / "card.md").unlink()
    result = run("sign", folder / "toy", "--key", tmp_path / "us.pem")
    assert result.exit_code == 1
    assert "only a whole package is signed" in result.stderr
    assert not (folder / "toy" / "manifest.toml.sig").exists()


def test_a_golden_sample_is_made_and_proves_the_installation(tmp_path: Path) -> None:
    from inference_worker.phantom import ChestPhantom  # noqa: PLC0415 - the other tests here need no engine

    packages = tmp_path / "packages"
    write_real_package(packages)
    ChestPhantom(slices=16, size=32, spacing=12.0, pixel=12.0).write(tmp_path / "series")
    (found,) = read("test", "--models", packages, code=1)["models"]
    assert "no golden sample" in found["said"]
    made = run("golden", "body_and_bone", tmp_path / "series", "--models", packages)
    assert made.exit_code == 0, made.output
    (found,) = read("test", "body_and_bone", "--models", packages, "--data", tmp_path / "data")["models"]
    assert found["agrees"]
    assert found["dice"] == 1.0
    assert run("verify", "--files", "--models", packages).exit_code == 0
    rows = read("bench", "body_and_bone", "--models", packages, "--repeats", "1", "--data", tmp_path / "data")[
        "engines"
    ]
    assert all(row["dice"] == 1.0 for row in rows if not row["failure"])
    assert any(row["seconds"] for row in rows)


def catalogue(folder: Path, file: Path, digest: str = "") -> Path:
    content = file.read_bytes()
    stated = digest or "sha256:" + hashlib.sha256(content).hexdigest()
    (folder / "catalogue.toml").write_text(
        f'[[models]]\nname = "toy_spleen"\ntitle = "A toy"\nkind = "bundle"\nversion = "0.1.0"\n'
        f'address = "https://example.org/{file.name}"\nlicence = "CC0-1.0"\ndigest = "{stated}"\n'
        f'codes = "monai_spleen_ct.toml"\n'
    )
    return folder / "catalogue.toml"


def test_a_bundle_of_the_catalogue_becomes_a_package(tmp_path: Path) -> None:
    book, packages = catalogue(tmp_path, write_bundle(tmp_path)), tmp_path / "packages"
    pull = ("pull", "toy_spleen", "--from", tmp_path, "--catalogue", book, "--models", packages)
    said = read(*pull)
    assert said["model"] == "toy_spleen"
    (found,) = read("verify", "--files", "--models", packages)["models"]
    assert (found["intact"], found["digest"]) == (True, said["digest"])
    assert "Spleen (SCT 78961009)" in run("show", "toy_spleen", "--models", packages).stdout
    again = run(*pull)
    assert again.exit_code == 1
    assert "is there already" in again.stderr


def test_the_next_command_that_a_pull_names_works_as_printed(tmp_path: Path) -> None:
    book, packages = catalogue(tmp_path, write_bundle(tmp_path)), tmp_path / "my packages"
    said = run("pull", "toy_spleen", "--from", tmp_path, "--catalogue", book, "--models", packages).stdout
    command = shlex.split(said.partition("try it: ")[2])
    assert command[:2] == ["dicom-node", "models"]
    assert "Spleen (SCT 78961009)" in run(*command[2:]).stdout


def test_a_wrong_file_leaves_no_package_behind(tmp_path: Path) -> None:
    book, packages = catalogue(tmp_path, write_bundle(tmp_path), "sha256:" + "0" * 64), tmp_path / "packages"
    result = run("pull", "toy_spleen", "--from", tmp_path, "--catalogue", book, "--models", packages)
    assert result.exit_code == 1
    assert "they were removed" in result.stderr
    assert read("list", "--models", packages)["models"] == []


def test_packages_are_added_to_a_folder_of_one_s_own_alone(tmp_path: Path) -> None:
    for command in (["pull", "monai_spleen_ct", "--from", tmp_path], ["import", write_bundle(tmp_path)]):
        result = run(*command)
        assert result.exit_code == 1
        assert "give --models DIR" in result.stderr


def test_an_import_without_codes_names_each_label_that_lacks_one(tmp_path: Path) -> None:
    result = run("import", write_bundle(tmp_path), "--models", tmp_path / "packages")
    assert result.exit_code == 1
    assert "'spleen' has no code" in result.stderr


def test_the_catalogue_is_printed_with_what_it_knows_of_each(tmp_path: Path) -> None:
    listed = {one["name"]: one for one in read("pull", "--list")["models"]}
    assert listed["xrv_all"]["size"] == 28382008
    assert "give --digest" in run("pull", "--list").stdout
    result = run("pull", "xrv_nih", "--models", tmp_path)
    assert result.exit_code == 1
    assert "no digest is known" in result.stderr


def test_a_checkpoint_is_kept_and_never_opened(tmp_path: Path) -> None:
    entry = tmp_path / "catalogue.toml"
    (tmp_path / "net.pt").write_bytes(b"\x80\x04 a pickle")
    digest = hashlib.sha256(b"\x80\x04 a pickle").hexdigest()
    entry.write_text(
        '[[models]]\nname = "net"\ntitle = "N"\nkind = "checkpoint"\nversion = "1"\n'
        f'address = "https://example.org/net.pt"\nlicence = "MIT"\ndigest = "sha256:{digest}"\n'
    )
    packages = tmp_path / "packages"
    said = run("pull", "net", "--from", tmp_path, "--catalogue", entry, "--models", packages)
    assert said.exit_code == 0
    assert "which the node never opens" in said.stdout
    assert read("list", "--models", packages)["models"] == []

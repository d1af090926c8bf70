"""MONAI bundles become packages, or are refused with the reason; nothing of them is run."""

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domain.errors import ConfigurationError
from models import bundles
from models.bundles import import_bundle, provenance_of
from models.registry import verify
from models.steps import Relabel
from tests.support.bundles import CODES, Variant, checkpoint, config, metadata, put, write_bundle, write_codes

Change = Callable[[dict[str, Any]], object]


class Command:
    """What a pickle makes of this is a call of os.system."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("true",)


def old_checkpoint(content: object) -> bytes:
    """What torch.save wrote before its archives: pickles in a row."""
    parts = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, content, ["0"])
    return b"".join(pickle.dumps(part, 2) for part in parts) + b"\x00" * 64


def zipped(bundle: Path, file: Path, *extra: tuple[str | zipfile.ZipInfo, str]) -> Path:
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(bundle.rglob("*")):
            archive.write(path, path.relative_to(bundle.parent))
        for name, content in extra:
            archive.writestr(name, content)
    return file


def with_metadata(bundle: Path, change: Change) -> Path:
    values = metadata()
    change(values)
    put(bundle / "configs/metadata.json", values)
    return bundle


def refusal(bundle: Path | str, folder: Path, codes: str = CODES, **arguments: Any) -> str:
    """Why `bundle` is refused; nothing of it stays."""
    with pytest.raises(ConfigurationError) as caught:
        import_bundle(bundle, folder / "packages", write_codes(folder, codes), **arguments)
    assert not (folder / "packages").exists() or not list((folder / "packages").iterdir())
    return str(caught.value)


def test_a_folder_becomes_a_package_with_its_codes(tmp_path: Path) -> None:
    package = import_bundle(write_bundle(tmp_path), tmp_path / "packages", write_codes(tmp_path))
    verify(package)
    manifest = package.manifest
    assert package.folder == tmp_path / "packages" / "blocks_in_ct"
    assert (manifest.identity.version, manifest.identity.licence) == ("0.3.1", "Apache-2.0")
    assert manifest.identity.demonstration
    assert [one.conditions.modality for one in manifest.inputs] == [("CT",)]
    assert (manifest.network.kind, manifest.network.file, manifest.network.input) == ("bundle", "bundle", "image")
    assert [(one.number, one.label, one.type.value) for one in manifest.segments] == [
        (1, "block", "85756007"), (2, "stone", "56381008"),
    ]  # fmt: skip
    assert manifest.segments[1].colour == (1, 2, 3)
    assert manifest.postprocessing == ()
    card = (package.folder / "card.md").read_text()
    assert "This is an example." in card
    assert "A bundle for tests." in card


def test_an_archive_holds_the_same_package_as_its_folder(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path)
    codes = write_codes(tmp_path)
    one = import_bundle(bundle, tmp_path / "packages", codes)
    other = import_bundle(zipped(bundle, tmp_path / "b.zip"), tmp_path / "packages", codes, name="other")
    assert {name: one.digests[name] for name in one.digests if name.startswith("bundle/")} == {
        name: other.digests[name] for name in other.digests if name.startswith("bundle/")
    }


def test_a_name_is_fetched_by_whoever_knows_how(tmp_path: Path) -> None:
    asked = []

    def fetch(name: str, folder: Path) -> Path:
        asked.append(name)
        return zipped(write_bundle(folder), folder / "fetched.zip")

    package = import_bundle("blocks_ct", tmp_path / "packages", write_codes(tmp_path), fetch=fetch)
    assert asked == ["blocks_ct"]
    assert provenance_of(package).source == "blocks_ct"


def test_a_name_that_nobody_fetches_is_neither_a_folder_nor_an_archive(tmp_path: Path) -> None:
    assert "is neither a bundle's folder nor its ZIP archive" in refusal("blocks_ct", tmp_path)


def test_results_caches_and_hidden_files_stay_behind(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path)
    for name in ("eval/old.nii.gz", ".git/config", "scripts/__pycache__/net.bin", ".DS_Store"):
        (bundle / name).parent.mkdir(parents=True, exist_ok=True)
        (bundle / name).write_bytes(b"x")
    package = import_bundle(bundle, tmp_path / "packages", write_codes(tmp_path))
    assert not [name for name in package.digests if "old" in name or "git" in name or "cache" in name or "DS" in name]


def test_each_label_without_a_code_is_named_with_its_line(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path)
    said = refusal(bundle, tmp_path, codes="")
    lines = (bundle / "configs/metadata.json").read_text().splitlines()
    for label, sentence in zip(("block", "stone"), said.splitlines(), strict=True):
        line = next(number for number, text in enumerate(lines, start=1) if f'"{label}"' in text)
        assert f"metadata.json:{line}: '{label}' has no code" in sentence


def test_a_code_for_no_label_is_named_with_its_line(tmp_path: Path) -> None:
    codes = CODES + '\n[segments."liver"]\ntype = { value = "1", scheme = "SCT", meaning = "Liver" }\n'
    assert "codes.toml:8: segments.liver: is not in the bundle" in refusal(write_bundle(tmp_path), tmp_path, codes)


def test_a_code_that_is_incomplete_is_named_with_its_line(tmp_path: Path) -> None:
    codes = CODES.replace(', meaning = "Tissue"', "")
    assert "codes.toml:2: segments.block.type.meaning: is missing" in refusal(write_bundle(tmp_path), tmp_path, codes)


def test_values_that_are_not_the_channels_become_a_step(tmp_path: Path) -> None:
    codes = CODES.replace('[segments."stone"]', '[segments."stone"]\nvalue = 4')
    package = import_bundle(write_bundle(tmp_path), tmp_path / "packages", write_codes(tmp_path, codes))
    assert package.manifest.postprocessing == (Relabel((0, 1, 0, 0, 2)),)


def test_a_person_may_call_a_segment_by_another_name(tmp_path: Path) -> None:
    codes = CODES.replace('[segments."stone"]', '[segments."stone"]\nlabel = "Ureteral stone"')
    package = import_bundle(write_bundle(tmp_path), tmp_path / "packages", write_codes(tmp_path, codes))
    assert [one.label for one in package.manifest.segments] == ["block", "Ureteral stone"]


def test_channels_that_are_all_labels_need_their_values(tmp_path: Path) -> None:
    def change(values: dict[str, Any]) -> None:
        values["network_data_format"]["outputs"]["pred"]["channel_def"] = {"0": "block", "1": "stone"}

    assert "state `value`" in refusal(with_metadata(write_bundle(tmp_path), change), tmp_path)


def four_channels(values: dict[str, Any]) -> None:
    values["network_data_format"]["inputs"]["image"] |= {
        "modality": "MR", "num_channels": 2, "channel_def": {"0": "T1c", "1": "FLAIR"},
    }  # fmt: skip


def test_several_channels_are_several_series_each_with_a_rule(tmp_path: Path) -> None:
    bundle = with_metadata(write_bundle(tmp_path), four_channels)
    rules = (
        '\n[inputs."T1c"]\nseries_description = "t1"\ncontrast = true\n[inputs."FLAIR"]\nseries_description = "flair"\n'
    )
    package = import_bundle(bundle, tmp_path / "packages", write_codes(tmp_path, CODES + rules))
    first, second = package.manifest.inputs
    assert (first.name, second.name) == ("t1c", "flair")
    assert first.conditions.contrast is True
    assert (second.conditions.modality, second.conditions.series_description) == (("MR",), "flair")
    assert package.manifest.network.shape == (1, 2, 0, 0, 0)


def test_a_channel_without_a_rule_is_named_with_its_line(tmp_path: Path) -> None:
    bundle = with_metadata(write_bundle(tmp_path), four_channels)
    said = refusal(bundle, tmp_path, CODES + '\n[inputs."T1c"]\nseries_description = "t1"\n')
    assert "which series 'FLAIR' is read from is not known" in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda values: values.pop("version"), "version: is missing"),
        (lambda values: values.pop("network_data_format"), "network_data_format.inputs: is missing"),
        (lambda values: values["network_data_format"].pop("outputs"), "network_data_format.outputs: is missing"),
        (
            lambda values: values["network_data_format"]["outputs"]["pred"].update(format="classes"),
            'must have one table of the format "segmentation"',
        ),
        (
            lambda values: values["network_data_format"]["outputs"]["pred"].pop("channel_def"),
            "channel_def is missing",
        ),
        (
            lambda values: values["network_data_format"]["outputs"]["pred"].update(channel_def={"0": "background"}),
            "channel_def names no label",
        ),
        (
            lambda values: values["network_data_format"]["inputs"]["image"].update(spatial_shape=[256, 256]),
            "only volumes are run",
        ),
        (
            lambda values: values["network_data_format"]["inputs"].update(other={}),
            "network_data_format.inputs: must be one table and is 2",
        ),
        (
            lambda values: values["network_data_format"]["inputs"]["image"].update(modality="n/a"),
            "which series 'image' is read from is not known",
        ),
    ],
)
def test_metadata_that_lack_what_a_package_needs_are_refused_by_key(tmp_path: Path, change: Change, said: str) -> None:
    assert said in refusal(with_metadata(write_bundle(tmp_path), change), tmp_path)


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "is no MONAI bundle: it has no configs/metadata.json" in refusal(tmp_path / "empty", tmp_path)


def test_metadata_that_are_no_json_are_refused_with_their_line(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path)
    (bundle / "configs/metadata.json").write_text('{\n"name": "x",\n}')
    assert "metadata.json:3: not JSON" in refusal(bundle, tmp_path)


def test_a_config_in_yaml_is_read(tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    bundle = write_bundle(tmp_path)
    (bundle / "configs/inference.json").unlink()
    stated = config(Variant()) | {"device": "$os.system('id')"}
    (bundle / "configs/inference.yaml").write_text(yaml.safe_dump(stated))
    assert "configs/inference.yaml: device: \"$os.system('id')\" uses os.system" in refusal(bundle, tmp_path)


def test_weights_that_are_elsewhere_are_asked_for(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path)
    (bundle / "models/model.pt").unlink()
    assert "has no weights in models/" in refusal(bundle, tmp_path)
    (bundle / "large_files.yml").write_text("large_files: []\n")
    assert "large_files.yml says where they are to be had" in refusal(bundle, tmp_path)


@pytest.mark.parametrize(
    "weights",
    [
        checkpoint({"state": Command()}),
        checkpoint([{}, Command()]),
        pickle.dumps(Command(), 2),
        old_checkpoint({"state": Command()}),
    ],
    ids=["archive", "list", "bare pickle", "old checkpoint"],
)
def test_a_pickle_with_a_call_in_it_is_refused_whoever_vouches_for_it(tmp_path: Path, weights: bytes) -> None:
    bundle = write_bundle(tmp_path, weights=weights)
    for trusted in (False, True):
        said = refusal(bundle, tmp_path, trusted=trusted)
        assert (
            f"models/model.pt: is a pickle that calls {os.system.__module__}.system: a program and no weights" in said
        )


def test_a_newer_pickle_with_a_call_in_it_is_refused_as_well(tmp_path: Path) -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Command(), 4))
    said = refusal(write_bundle(tmp_path, weights=written.getvalue()), tmp_path)
    assert f"calls {os.system.__module__}.system" in said


def test_weights_that_are_no_pickle_are_refused(tmp_path: Path) -> None:
    assert "models/model.pt: is no checkpoint of torch" in refusal(
        write_bundle(tmp_path, weights=b"\xff\x00"), tmp_path
    )


def test_old_checkpoints_of_tensors_are_weights(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path, weights=old_checkpoint({"a": 1}))
    assert "bundle/models/model.pt" in import_bundle(bundle, tmp_path / "packages", write_codes(tmp_path)).digests


@pytest.mark.parametrize("name", ["models/helper.so", "models/state.pkl", "configs/cache.npy"])
def test_files_that_may_be_programs_are_refused(tmp_path: Path, name: str) -> None:
    bundle = write_bundle(tmp_path)
    (bundle / name).write_bytes(b"x")
    assert f"{name}: a file of the kind" in refusal(bundle, tmp_path, trusted=True)


@pytest.mark.parametrize(
    "name", ["../../escaped.txt", "/escaped.txt", "blocks/../../escaped.txt", "..\\escaped.txt", "C:/x"]
)
def test_an_archive_that_leads_out_of_itself_is_refused(tmp_path: Path, name: str) -> None:
    archive = zipped(write_bundle(tmp_path), tmp_path / "b.zip", (name, "x"))
    assert "leads out of the archive" in refusal(archive, tmp_path)
    assert not list(tmp_path.rglob("escaped.txt"))


def test_an_archive_with_a_link_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("blocks/models/link")
    link.external_attr = 0o120777 << 16
    archive = zipped(write_bundle(tmp_path), tmp_path / "b.zip", (link, "/etc/passwd"))
    assert "blocks/models/link: is a link or a device" in refusal(archive, tmp_path)


def test_a_folder_with_a_link_is_refused(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path)
    (bundle / "models/link").symlink_to("/etc")
    assert "models/link: is a link or a device" in refusal(bundle, tmp_path)


def test_a_bundle_larger_than_any_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = write_bundle(tmp_path)
    archive = zipped(bundle, tmp_path / "b.zip")
    monkeypatch.setattr(bundles, "_LARGEST", 1000)
    assert "holds more than" in refusal(archive, tmp_path)
    assert "holds more than" in refusal(bundle, tmp_path)


def test_an_archive_that_is_damaged_is_refused(tmp_path: Path) -> None:
    archive = zipped(write_bundle(tmp_path), tmp_path / "b.zip")
    archive.write_bytes(archive.read_bytes().replace(b"Blocks in CT", b"Blocks at CT", 1))
    assert "cannot be read: Bad CRC-32" in refusal(archive, tmp_path)


def test_a_config_that_calls_the_system_is_refused_unless_a_person_trusts_it(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path)
    stated = config(Variant())
    stated["initialize"].append("$os.system('id')")
    stated["dataset"]["_target_"] = "scripts.data.Own"
    put(bundle / "configs/inference.json", stated)
    with_metadata(bundle, lambda values: values.update(evil="$exec('1')"))
    said = refusal(bundle, tmp_path)
    assert "runs code of its own; read it and import it as trusted" in said
    assert "configs/inference.json: dataset: calls 'scripts.data.Own'" in said
    assert "configs/inference.json: initialize#2: \"$os.system('id')\" uses os.system" in said
    assert "configs/metadata.json: evil: \"$exec('1')\" uses exec" in said
    package = import_bundle(bundle, tmp_path / "packages", write_codes(tmp_path), trusted=True)
    provenance = provenance_of(package)
    assert provenance.trusted
    assert len(provenance.own_code) == 3
    assert "os.system" in (package.folder / "card.md").read_text()


def test_a_package_of_that_name_is_not_overwritten(tmp_path: Path) -> None:
    bundle, codes = write_bundle(tmp_path), write_codes(tmp_path)
    package = import_bundle(bundle, tmp_path / "packages", codes)
    with pytest.raises(ConfigurationError, match="is there already"):
        import_bundle(bundle, tmp_path / "packages", codes)
    verify(package)


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("Apache License\n   Version 2.0, January 2004", "Apache-2.0"),
        ("MIT License\nCopyright", "MIT"),
        ("Ours alone.", "see bundle/LICENSE"),
    ],
)
def test_the_licence_is_told_by_its_text(tmp_path: Path, text: str, licence: str) -> None:
    bundle = write_bundle(tmp_path)
    (bundle / "LICENSE").write_text(text)
    package = import_bundle(bundle, tmp_path / "packages", write_codes(tmp_path))
    assert package.manifest.identity.licence == licence


def test_words_of_any_kind_survive_the_manifest(tmp_path: Path) -> None:
    title = 'A "quoted" \\ name\x7f and 脾臓'
    bundle = with_metadata(write_bundle(tmp_path), lambda values: values.update(name=title))
    package = import_bundle(bundle, tmp_path / "packages", write_codes(tmp_path), name="quoted")
    assert package.manifest.identity.title == title
    assert json.loads((package.folder / "provenance.json").read_text())["bundle"] == "quoted"

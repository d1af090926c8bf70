"""What is set in a bundle's inference config, and what is looked up in it, before anything of it runs."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from domain.errors import ConfigurationError
from domain.json_records import Json, JsonObject


def changes(stated: JsonObject, entry: JsonObject, root: Path) -> dict[str, Json]:
    """What is set in the bundle's config, by MONAI's ids; `entry` is the one item of its dataset, `root` its folder.

    That is where the bundle lies and saves, what its dataset holds (the property `dataset_data` of MONAI's inference
    bundles), that no process is started to read one file, and that checkpoints are read where the bundle runs. Raises
    ConfigurationError where the config has no dataset.
    """
    if not isinstance(stated.get("dataset"), Mapping):
        raise ConfigurationError("the bundle's config has no table dataset, where the study is to be put in")
    found: dict[str, Json] = {
        "bundle_root": str(root), "output_dir": str(root / "eval"), "dataset#data": [dict(entry)],
    }  # fmt: skip
    if isinstance(stated.get("dataloader"), Mapping):
        found["dataloader#num_workers"] = 0
    return found | _onto_device(stated, "", "@device" if "device" in stated else "cpu")


def _onto_device(config: object, where: str, device: str) -> dict[str, str]:
    """Checkpoints that were saved on a GPU are read where the bundle runs, wherever that is not stated."""
    if isinstance(config, Mapping) and config.get("_target_") == "CheckpointLoader" and "map_location" not in config:
        return {f"{where}#map_location": device}
    pairs = config.items() if isinstance(config, Mapping) else enumerate(config) if isinstance(config, list) else ()
    found: dict[str, str] = {}
    for key, value in pairs:
        found |= _onto_device(value, f"{where}#{key}" if where else str(key), device)
    return found


def on_device(device: str) -> dict[str, str]:
    """The setting that has a bundle run on `device`, one of torch's names; none where the bundle is to choose."""
    return {"device": f"$torch.device({device!r})"} if device else {}


def reads_anew(stated: JsonObject) -> bool:
    """Whether the dataset reads its files at each run; others keep what they have read."""
    dataset = stated["dataset"]
    return isinstance(dataset, Mapping) and dataset.get("_target_") in (
        "Dataset",
        "monai.data.Dataset",
        "monai.data.dataset.Dataset",
    )


def targets(config: object) -> Iterator[str]:
    """Every bare name that the config calls."""
    if isinstance(config, Mapping):
        target = config.get("_target_")
        if isinstance(target, str) and target.isidentifier():
            yield target
    for value in config.values() if isinstance(config, Mapping) else config if isinstance(config, list) else ():
        yield from targets(value)

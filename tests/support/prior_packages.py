"""A model package that compares with an earlier study: body and bone, and how their volumes have changed."""

from pathlib import Path

from models.registry import Registry
from tests.support.packages import write_package

PRIORS = """\
[priors]
modality = ["CT"]
body_part = ["CHEST"]
deadline = 40.0

[[measurements]]
what = "volume"
compare = "before"
name = { value = "VOLUME-BEFORE", scheme = "99DICOMNODE", meaning = "Volume in an earlier study" }
unit = { value = "ml", scheme = "UCUM", meaning = "milliliter" }

[[measurements]]
what = "volume"
compare = "change"
name = { value = "VOLUME-CHANGE", scheme = "99DICOMNODE", meaning = "Change in volume" }
unit = { value = "ml", scheme = "UCUM", meaning = "milliliter" }

[[measurements]]
what = "volume"
compare = "percent"
name = { value = "VOLUME-PERCENT", scheme = "99DICOMNODE", meaning = "Relative change in volume" }
unit = { value = "%", scheme = "UCUM", meaning = "percent" }

[digests]
"""


def comparing(models: Path) -> Registry:
    """The registry of a folder that has this one package."""
    manifest = write_package(models) / "manifest.toml"
    manifest.write_text(manifest.read_text("utf-8").replace("[digests]\n", PRIORS), "utf-8")
    return Registry.load(models)

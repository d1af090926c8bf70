"""Put what training and evaluation gave into the package models/cxr_findings, which is their last step.

    python -m training.chest.package --work DIR --out models/cxr_findings

Writes template.npy (what a chest looks like: the phantoms of the split "validation"), the thresholds of evaluation.json
into manifest.toml, the golden sample (phantoms of the split "test" through the node's own path), and the digests.
"""

import argparse
import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from domain.findings import SourceFrame
from inference_worker import golden
from inference_worker.engines.openvino import OpenVinoEngine
from inference_worker.guards import likeness
from inference_worker.images import Images, Picture
from inference_worker.pipeline import Pipeline
from models.digests import write_digests
from models.manifest import MANIFEST
from models.registry import load_package
from training.chest.findings import FINDINGS
from training.chest.layouts import splits
from training.chest.radiographs import Collection, Field
from training.chest.recipe import RECIPE, Recipe
from training.recipe import read_recipe

_IN_TEMPLATE, _IN_SAMPLE = 200, 4


def main() -> None:
    """Read the arguments, write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    parser.add_argument("--work", type=Path, required=True, help="folder of the phantoms")
    parser.add_argument("--out", type=Path, required=True, help="folder of the model package")
    arguments = parser.parse_args()
    phantoms = splits(None, read_recipe(arguments.recipe, Recipe), arguments.work)
    finish(arguments.out, phantoms["validation"], phantoms["test"])


def finish(folder: Path, validation: Collection, test: Collection) -> None:
    """Make `folder`, which has its network, evaluation, card and manifest, a whole package."""
    np.save(folder / "template.npy", template(validation))
    found = json.loads((folder / "evaluation.json").read_text("utf-8"))["findings"]
    manifest = folder / MANIFEST
    text = with_thresholds(manifest.read_text("utf-8"), {name: found[name]["threshold"] for name in FINDINGS})
    manifest.write_text(text, "utf-8")
    for name in (golden.INPUT, golden.EXPECTED):
        # The package must be whole before the node's path runs it to make them.
        (folder / name).touch()
    write_digests(folder)
    _write_sample(folder, test)
    write_digests(folder)


def template(collection: Collection) -> Field:
    """What the images of the collection have in common, as the guard "likeness" compares it."""
    count = min(_IN_TEMPLATE, len(collection.labels))
    return likeness.template([collection.image(at) for at in range(count)])


def with_thresholds(manifest: str, thresholds: Mapping[str, float]) -> str:
    """The manifest's text with the threshold of each finding, found by its label, replaced."""
    for label, threshold in thresholds.items():
        table = re.compile(rf'(\nlabel = "{re.escape(label)}"\n(?:[^\[]*\n)?threshold = )[0-9.]+')
        manifest = table.sub(rf"\g<1>{threshold:.5f}", manifest, count=1)
    return manifest


def pictures(collection: Collection, count: int) -> Images:
    """The first `count` images as if they had been read from one series, in 8 bits."""
    shown = [collection.image(at) for at in range(count)]
    made = tuple(Picture(one * 255, one, SourceFrame(f"2.25.{at + 1}"), None) for at, one in enumerate(shown))
    return Images(made, "phantoms")


def _write_sample(folder: Path, collection: Collection) -> None:
    package = load_package(folder)
    sources = {package.manifest.inputs[0].name: pictures(collection, _IN_SAMPLE)}
    golden.write(folder, package.manifest, sources, Pipeline(package, OpenVinoEngine()).run(sources))


if __name__ == "__main__":
    main()

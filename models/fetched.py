"""Makes a package of plain weights that were fetched: the catalogue's manifest and card around the network as ONNX."""

import tempfile
from pathlib import Path

from models.catalogue import CODES, Entry
from models.digests import write_digests
from models.drafts import CARD, NETWORK
from models.manifest import MANIFEST
from models.meshnet import onnx_of
from models.pulling import ONNX
from models.registry import Package, load_package, verify

_CHANNELS, _CLASSES = 30, 18  # of the one network of this kind that the catalogue has


def make_package(wanted: Entry, file: Path, models: Path) -> Package:
    """The package of `wanted`, verified, in the folder `models`; there is none before it is whole.

    `file` holds the weights, or the network as ONNX. Raises ConfigurationError where they are those of no such network.
    """
    content = file.read_bytes()
    network = content if file.suffix == ONNX else onnx_of(content, _CHANNELS, _CLASSES)
    manifest = CODES / wanted.codes
    with tempfile.TemporaryDirectory(prefix=".weights-", dir=models) as scratch:
        draft = Path(scratch) / wanted.name
        draft.mkdir()
        (draft / NETWORK).write_bytes(network)
        (draft / MANIFEST).write_bytes(manifest.read_bytes())
        (draft / CARD).write_bytes(manifest.with_suffix(".md").read_bytes())
        write_digests(draft)
        verify(load_package(draft))
        draft.rename(models / wanted.name)
    return load_package(models / wanted.name)

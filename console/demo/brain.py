"""The model that a demonstration of the brain shows: of the catalogue, made of a file that is at hand."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from console.demo.study import at_hand
from domain.errors import Permanent
from models.catalogue import catalogue, entry
from models.fetched import make_package
from models.pulling import pull

NAME = "brain_tissue"

# The weights as they are published, or the network as somebody has written it as ONNX.
_FILES = ("models/meshnet/model30chan18cls/model.bin", "models/onnx/meshnet_model30chan18cls.onnx")


def models(own: Path | None, place: Path, environment: Mapping[str, str] = os.environ) -> Path:
    """The folder with the package: the user's `own`, or `place`, where it is made.

    Raises Permanent, which says how to get the file, where it is not at hand.
    """
    if own is not None:
        if not (own / NAME).is_dir():
            raise Permanent(f"{own} has no {NAME}; {_how(own)}")
        return own
    folder = at_hand(environment)
    held = [folder / file for file in _FILES if (folder / file).is_file()]
    if not held:
        raise Permanent(f"the network is not here (looked into {folder / 'models'}); {_how(Path('packages'))}")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    wanted = entry(NAME, catalogue())
    make_package(wanted, pull(wanted, place / ".pulled", source=held[0]), place)
    return place


def _how(folder: Path) -> str:
    return f"fetch it, dicom-node models pull {NAME} --models {folder}, and then make demo DEMO=brain MODELS={folder}"

"""The model that a demonstration of the brain shows: of the catalogue, made of a file that is at hand."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from console.demo.study import at_hand, find_head_at, no_head
from domain.errors import Permanent
from models.catalogue import catalogue, entry
from models.fetched import make_package
from models.pulling import pull

NAME = "brain_tissue"

# The weights as they are published, or the network as somebody has written it as ONNX.
_FILES = ("models/meshnet/model30chan18cls/model.bin", "models/onnx/meshnet_model30chan18cls.onnx")


def missing(study: Path | None, own: Path | None, environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """What a demonstration of the brain lacks: the series, the network, and how to get each; nothing where it goes.

    `study` and `own` are the folders of a study and of model packages that the user names.
    """
    lacks_head = study is None and find_head_at(environment) is None
    return (*((no_head(environment),) if lacks_head else ()), *_no_network(own, environment))


def models(own: Path | None, place: Path, environment: Mapping[str, str] = os.environ) -> Path:
    """The folder with the package: the user's `own`, or `place`, where it is made.

    Raises Permanent, which says how to get the file, where it is not at hand.
    """
    for reason in _no_network(own, environment):
        raise Permanent(reason)
    if own is not None:
        return own
    file = _held(environment)
    assert file is not None
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    wanted = entry(NAME, catalogue())
    make_package(wanted, pull(wanted, place / ".pulled", source=file), place)
    return place


def _held(environment: Mapping[str, str]) -> Path | None:
    folder = at_hand(environment)
    return next((folder / file for file in _FILES if (folder / file).is_file()), None)


def _no_network(own: Path | None, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Why there is no network to show, and how to get it; nothing where there is one."""
    if own is not None:
        return () if (own / NAME).is_dir() else (f"{own} has no {NAME}; {_how(own)}",)
    if _held(environment):
        return ()
    return (f"the network is not here (looked into {at_hand(environment) / 'models'}); {_how(Path('packages'))}",)


def _how(folder: Path) -> str:
    return f"fetch it, dicom-node models pull {NAME} --models {folder}, and then make demo DEMO=brain MODELS={folder}"

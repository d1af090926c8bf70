"""A package that asks a general model two questions about radiographs."""

from pathlib import Path

from models.cards import CARD
from tests.support.model_packages import write_files

MANIFEST = """\
[identity]
name = "eyes"
version = "1.0.0"
title = "Two questions"
manufacturer = "dicom-node project"
device_uid = "2.25.7"
licence = "Apache-2.0"
demonstration = false

[[inputs]]
name = "image"
kind = "images"

[inputs.conditions]
modality = ["CR", "DX"]
burned_in = false

[network]
file = "instructions.txt"
kind = "vision"
input = "image"
outputs = ["likelihoods"]
shape = [0, 1, 512, 512]

[[findings]]
channel = 0
label = "Effusion"
code = { value = "60046008", scheme = "SCT", meaning = "Pleural effusion" }
threshold = 0.5
question = { words = "Is there fluid in the pleural space?" }

[[findings]]
channel = 1
label = "Pneumothorax"
code = { value = "36118008", scheme = "SCT", meaning = "Pneumothorax" }
threshold = 0.7
question = { words = "Is there air in the pleural space?", choices = ["air", "no air"] }

[digests]
"""
FILES = {"instructions.txt": b"You look at radiographs of the chest.\n", CARD: b"# Two questions\n"}


def write_package(folder: Path, manifest: str = MANIFEST) -> Path:
    """The package "eyes" under `folder`; returns its folder."""
    return write_files(folder / "eyes", FILES, manifest)

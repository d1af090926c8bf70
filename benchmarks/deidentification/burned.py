"""Images with a person's name burned into their pixels, as devices and people do it, and as many without text."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydicom import Dataset
from pydicom.uid import SecondaryCaptureImageStorage, UltrasoundImageStorage
from scipy import ndimage

from benchmarks.deidentification.people import person
from benchmarks.deidentification.planted import image

_SIZE = 512


@dataclass
class Burned:
    """An image; `letters` are the pixels of its text, none where it has none; `place` is how it was written."""

    dataset: Dataset
    letters: NDArray[np.bool_]
    place: str


def burned(chance: random.Random, count: int) -> Iterator[Burned]:
    """`count` images with text and as many without."""
    for number in range(2 * count):
        yield _one(chance, with_text=number % 2 == 0)


def _one(chance: random.Random, with_text: bool) -> Burned:
    body = _body(chance)
    letters = np.zeros(body.shape, np.uint8)
    place = "no text"
    if with_text:
        height, turns, dim = (
            chance.choice([12, 14, 16, 20, 24, 32]),
            chance.choice([0, 0, 0, 1, 3]),
            chance.random() < 0.25,
        )
        letters = np.rot90(_written(chance, height), turns)
        place = f"letters of {height} pixels{', turned' if turns else ''}{', dim' if dim else ''}"
        ink = body.astype(float) + (90 if dim else 255)
        body = np.where(letters > 0, np.clip(ink * letters / 255 + body * (1 - letters / 255), 0, 255), body)
    colour = chance.random() < 0.3
    return Burned(_image(chance, body.astype(np.uint8), colour), letters > 127, place)


def _body(chance: random.Random) -> NDArray[np.float64]:
    """A smooth something within black, as ultrasound and radiographs have it."""
    noise = np.random.default_rng(chance.randrange(1 << 30))
    smooth = ndimage.gaussian_filter(noise.random((_SIZE, _SIZE)), chance.choice([4, 9, 16]))
    smooth = (smooth - smooth.min()) / np.ptp(smooth)
    rows, columns = np.mgrid[:_SIZE, :_SIZE] / _SIZE - 0.5
    inside = (rows / 0.4) ** 2 + (columns / 0.45) ** 2 < 1
    return np.asarray(150 * smooth * inside + 8 * noise.random((_SIZE, _SIZE)), np.float64)


def _written(chance: random.Random, height: int) -> NDArray[np.uint8]:
    who = person(chance)
    text = chance.choice([f"{who.family.upper()}, {who.given.upper()}", f"{who.given} {who.family}", f"ID {who.ident}",
                          f"{who.family} *{who.born}", f"{who.born[6:]}.{who.born[4:6]}.{who.born[:4]}"])  # fmt: skip
    page = Image.new("L", (_SIZE, _SIZE))
    font = ImageFont.load_default(height)
    width = ImageDraw.Draw(page).textlength(text, font)
    place = chance.uniform(4, max(5, _SIZE - width - 4)), chance.uniform(4, _SIZE - height - 8)
    ImageDraw.Draw(page).text(place, text, fill=255, font=font)
    return np.asarray(page)


def _image(chance: random.Random, grey: NDArray[np.uint8], colour: bool) -> Dataset:
    made = image(chance)
    made.SOPClassUID = UltrasoundImageStorage if colour else SecondaryCaptureImageStorage
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.Modality = "US" if colour else "OT"
    made.Rows = made.Columns = _SIZE
    made.BitsAllocated, made.BitsStored, made.HighBit = 8, 8, 7
    if colour:
        made.SamplesPerPixel, made.PhotometricInterpretation, made.PlanarConfiguration = 3, "RGB", 0
        grey = np.repeat(grey[..., None], 3, axis=2)
    made.PixelData = grey.tobytes()
    return made

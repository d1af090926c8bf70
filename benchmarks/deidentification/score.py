"""Counts what became of planted identities, and of what had to stay."""

import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.dataset import FileDataset

from benchmarks.deidentification.burned import Burned
from benchmarks.deidentification.planted import Planted
from benchmarks.deidentification.ways import Way

_READABLE = 0.1  # of the letters' pixels as they were: more can be read
_NEAR = 12  # grey levels that are no change


@dataclass
class Score:
    """`planted` and `gone` by kind; `missed` where something was left; `kept` of what had to stay, of `to_keep`."""

    planted: Counter[str] = field(default_factory=Counter)
    gone: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)
    to_keep: int = 0
    left_out: int = 0
    images: int = 0
    with_text: int = 0
    unharmed: int = 0

    @property
    def right(self) -> float:
        """Of all actions, to take away and to keep, the share that was right."""
        wanted = self.planted.total() + self.to_keep
        return (self.gone.total() + self.to_keep - self.lost.total()) / max(1, wanted)


def score(way: Way, cases: Iterable[Planted]) -> Score:
    """What the way does with objects that name somebody."""
    found = Score()
    for case in cases:
        _count(found, case, way(saved(case.dataset)))
    return found


def look(found: Score, way: Way, images: Iterable[Burned]) -> None:
    """Add what the way does with images, with text and without."""
    for one in images:
        _look(found, one, way(saved(one.dataset)))


def saved(dataset: Dataset) -> bytes:
    """A Part 10 file of it."""
    file = io.BytesIO()
    FileDataset(file, dataset, file_meta=dataset.file_meta, preamble=b"\0" * 128).save_as(
        file, enforce_file_format=True
    )
    return file.getvalue()


def _count(found: Score, case: Planted, left: bytes | None) -> None:
    found.planted[case.kind] += 1
    found.to_keep += len(case.stays)
    if left is None:
        found.left_out += 1
        found.gone[case.kind] += 1
        found.lost["object left out"] += len(case.stays)
        return
    said = [one for one in case.tokens if _stands(one, left)] if case.kind != "file name" else _in_name(case, left)
    if said:
        found.missed.append(f"{case.kind}, {case.place}: {', '.join(said)}")
    else:
        found.gone[case.kind] += 1
    made = dcmread(io.BytesIO(left))
    found.lost.update(keyword for keyword, value in case.stays.items() if str(_now(made, keyword)) != str(value))


def _now(made: Dataset, keyword: str) -> object:
    """A value of the object, or of the first content item of a report."""
    holder = next(iter(made.get("ContentSequence") or ()), Dataset()) if keyword == "TextValue" else made
    return holder.get(keyword)


def _in_name(case: Planted, left: bytes) -> list[str]:
    """A library takes and gives data sets: names of files are made of its UIDs, by whoever calls it, as ours are."""
    name = f"{dcmread(io.BytesIO(left)).get('SOPInstanceUID')}.dcm"
    return [one for one in case.tokens if one in name]


def _stands(token: str, content: bytes) -> bool:
    """Whether the token stands in the file, as bytes or in a value, by itself, whatever its case."""
    low = content.lower()
    encodings = ("utf-8", "latin-1", "utf-16-le") if token.isascii() else ("utf-8",)
    forms = (re.escape(token.lower().encode(encoding)) for encoding in encodings)
    if any(re.search(rb"(?<![a-z])%s(?![a-z])" % form, low) for form in forms):
        return True
    alone = re.compile(rf"(?<![^\W_\d]){re.escape(token)}(?![^\W_\d])", re.IGNORECASE)
    return any(alone.search(text) for text in _texts(dcmread(io.BytesIO(content))))


def _texts(dataset: Dataset) -> Iterator[str]:
    for element in dataset.iterall():
        if element.VR not in ("SQ", "OB", "OW", "UN"):
            yield str(element.value)


def _look(found: Score, one: Burned, left: bytes | None) -> None:
    found.images += 1
    found.left_out += left is None
    same = np.zeros(one.letters.shape, bool)
    if left is not None:
        same = np.abs(_grey(one.dataset) - _grey(dcmread(io.BytesIO(left)))) <= _NEAR
    if not one.letters.any():
        found.to_keep += 1
        if not same.all():
            found.lost["pixels of an image without text"] += 1
        return
    found.with_text += 1
    found.planted["burned in"] += 1
    if same[one.letters].mean() > _READABLE:
        found.missed.append(f"burned in, {one.place}: {same[one.letters].mean():.0%} of the letters left")
    else:
        found.gone["burned in"] += 1


def _grey(dataset: Dataset) -> np.ndarray:
    shape = (dataset.Rows, dataset.Columns, int(dataset.SamplesPerPixel))
    return np.frombuffer(dataset.PixelData, np.uint8)[: int(np.prod(shape))].reshape(shape)[..., 0].astype(int)

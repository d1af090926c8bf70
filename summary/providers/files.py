"""Whether a language model's file is whole: the library that loads it takes its process along where one is not.

GGUF as its specification has it (versions 2 and 3): counts, keys with values, each tensor's name, shape, type and
offset, then their data. Where each of them ends is read here; what a tensor holds is the library's to judge.
"""

import json
import mmap
import struct
from collections.abc import Mapping
from pathlib import Path

# How many numbers a block of a tensor holds, in how many bytes, by ggml_type: F32, F16, Q4_0, Q4_1, Q8_0, Q4_K, Q6_K.
_BLOCKS: Mapping[int, tuple[int, int]] = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 8: (32, 34), 12: (256, 144), 14: (256, 210), 30: (1, 2),
}  # fmt: skip
_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # of a value, by its type
_UINT32, _STRING, _ARRAY = 4, 8, 9
_MOST = 1 << 20  # keys or tensors; no model has as many
_IN_FOLDER = ("openvino_model.xml", "openvino_model.bin", "openvino_tokenizer.xml", "openvino_detokenizer.xml")
_BROKEN = "is cut short or broken: fetch it anew, and compare its digest"


def wrong_with(path: Path) -> str:
    """Why it cannot be a language model's file or folder; "" where nothing is wrong with it that can be seen."""
    if path.is_dir():
        missing = [name for name in _IN_FOLDER if not (path / name).is_file()]
        return f"{path} is no folder of a model in OpenVINO's form: it lacks {', '.join(missing)}" if missing else ""
    try:
        _gguf(path)
    except ValueError as error:
        return f"{path} {error}"
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    return ""


def context_of(path: Path) -> int | None:
    """How many tokens of question and answer the model can hold together; None where its file does not say."""
    if path.is_dir():
        try:
            said = json.loads((path / "config.json").read_bytes()).get("max_position_embeddings")
        except (OSError, ValueError, AttributeError):
            return None
        return said if isinstance(said, int) else None
    return next((value for key, value in _gguf(path).items() if key.endswith(".context_length")), None)


def _gguf(path: Path) -> Mapping[str, int]:
    """The whole numbers among the keys of a file that is whole; raises ValueError with what is wrong with another."""
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise ValueError("is no GGUF file, and no folder")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                return _read(_Reader(data))
            except struct.error as error:
                raise ValueError(_BROKEN) from error


def _read(reader: "_Reader") -> Mapping[str, int]:
    reader.skip(4)
    if reader.number("<I") not in (2, 3):
        raise ValueError("is of another version of GGUF than 2 and 3")
    tensors, keys = reader.number("<Q"), reader.number("<Q")
    if max(tensors, keys) > _MOST:
        raise ValueError(_BROKEN)
    known = {reader.text(): reader.value(reader.number("<I")) for _ in range(keys)}
    ends = max((reader.tensor() for _ in range(tensors)), default=0)
    aligned = known.get("general.alignment") or 32
    if -(-reader.at // aligned) * aligned + ends > reader.size:
        raise ValueError(_BROKEN)
    return {name: value for name, value in known.items() if value is not None}


class _Reader:
    """Goes through a file; raises struct.error at its end."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data, self.size, self.at = data, len(data), 0

    def number(self, form: str) -> int:
        (found,) = struct.unpack_from(form, self._data, self.at)
        self.at += struct.calcsize(form)
        return int(found)

    def skip(self, count: int) -> None:
        if count > self.size - self.at:
            raise struct.error("it ends before")
        self.at += count

    def text(self) -> str:
        begins, length = self.at + 8, self.number("<Q")
        self.skip(length)
        return self._data[begins : self.at].decode(errors="replace")

    def value(self, kind: int) -> int | None:
        """A number of four bytes; of whatever else there is nothing but its end."""
        if kind == _UINT32:
            return self.number("<I")
        kind, count = (self.number("<I"), self.number("<Q")) if kind == _ARRAY else (kind, 1)
        if kind == _STRING:
            for _ in range(count):
                self.skip(self.number("<Q"))
        elif kind in _BYTES:
            self.skip(_BYTES[kind] * count)
        else:
            raise ValueError(_BROKEN)
        return None

    def tensor(self) -> int:
        """Where the data of a tensor ends; 0 of a type whose size is not known here."""
        self.text()
        numbers = 1
        for _ in range(min(self.number("<I"), _MOST)):
            numbers *= self.number("<Q")
        kind, offset = self.number("<I"), self.number("<Q")
        per, size = _BLOCKS.get(kind, (1, 0))
        return offset + -(-numbers // per) * size

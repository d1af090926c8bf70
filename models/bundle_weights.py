"""Whether a file of weights is weights alone: pickles are read instruction by instruction and never run.

PyTorch's checkpoints (`torch.save`) are ZIP archives with a pickle in them, its old ones several pickles in a row. A
pickle may name any function for the reader to call. Known are those that build tensors, which is also what
`torch.load(weights_only=True)` lets through; TorchScript's own classes are read by its C++ reader and not by pickle.
"""

import io
import pickletools
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from domain.errors import ConfigurationError
from models.torchscript import refuse_other_than_networks

WEIGHTS = (".pt", ".pth", ".ckpt", ".ts", ".bin")

# Formats that are programs, or pickles without torch's archive around them.
PROGRAMS = (".pkl", ".pickle", ".joblib", ".dill", ".so", ".pyd", ".dll", ".dylib", ".exe", ".pyc", ".npy", ".npz")

_BUILDS_TENSORS = re.compile(
    r"collections OrderedDict|torch (\w+Storage|Size|Tensor|device|(b?float|u?int|complex|bool|half|double|long)\w*)"
    r"|torch\._utils _rebuild_\w+|torch\._tensor _rebuild_from_type_v2|torch\.storage (Untyped|Typed)Storage"
    r"|torch\.nn\.parameter Parameter|torch\.serialization _get_layout"
)
_SCRIPT = re.compile(r"__torch__(\.\S+)? \S+|torch\.jit\._pickle \w+")

# In a row: a magic number, the version, the machine, the object, the keys of the storages (torch.serialization).
_OLD_FORMAT = 5


def refuse_programs(path: Path, name: str) -> None:
    """Raise ConfigurationError, which calls the file `name`, where the file at `path` is or may hold a program."""
    if path.suffix.lower() in PROGRAMS:
        raise ConfigurationError(
            f"{name}: a file of the kind {path.suffix} may be a program; a bundle's weights are none"
        )
    if path.suffix.lower() not in WEIGHTS:
        return
    if _is_script(path):
        refuse_other_than_networks(path.read_bytes(), name)
    for what in _calls(path, name):
        raise ConfigurationError(
            f"{name}: is a pickle that calls {what.replace(' ', '.')}: a program and no weights. "
            "A checkpoint of tensors alone (torch.save of a state_dict) or TorchScript would do"
        )


def _is_script(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in member for member in archive.namelist())


def _calls(path: Path, name: str) -> Iterator[str]:
    """What the pickles of a file would call, as "module name", without what builds tensors."""
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            yield from (what for what in _old_globals(file, name) if not _BUILDS_TENSORS.fullmatch(what))
        return
    with zipfile.ZipFile(path) as archive:
        inside = archive.namelist()
        script = any("/code/" in member for member in inside)
        for member in (one for one in inside if one.endswith(".pkl")):
            for what in _globals(io.BytesIO(archive.read(member)), name):
                if not _BUILDS_TENSORS.fullmatch(what) and not (script and _SCRIPT.fullmatch(what)):
                    yield what


def _old_globals(file: io.BufferedReader, name: str) -> Iterator[str]:
    for _ in range(_OLD_FORMAT):
        yield from _globals(file, name)


def _globals(file: io.IOBase, name: str) -> Iterator[str]:
    """Every "module name" that one pickle looks up, leaving `file` behind its end."""
    texts: list[str] = []
    try:
        for opcode, argument, _ in pickletools.genops(file):  # type: ignore[arg-type]
            if opcode.name in ("GLOBAL", "INST"):
                yield str(argument)
            elif opcode.name == "STACK_GLOBAL":  # torch writes none: its pickles have protocol 2
                yield " ".join(texts[-2:])
            elif opcode.name.startswith("EXT"):
                yield f"the extension registry {argument}"
            elif isinstance(argument, str):
                texts = [*texts[-1:], argument]
    except (ValueError, EOFError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{name}: is no checkpoint of torch: {error}") from error

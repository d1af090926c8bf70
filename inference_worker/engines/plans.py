"""Networks that were compiled for one GPU, kept on disk: compiling takes minutes, reading one back a second."""

import fcntl
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from domain.errors import ConfigurationError
from inference_worker.engines.cuda import Gpu
from models.manifest import Network

_DIGEST = 32


@dataclass(frozen=True)
class BuildSettings:
    """What a network is compiled with: precision, the builder's flags set and cleared, and its memory (bytes)."""

    precision: str
    set: tuple[str, ...] = ()
    cleared: tuple[str, ...] = ()
    memory: int = 0


def plan_name(gpu: Gpu, version: str, network: bytes, wanted: Network, made_for: BuildSettings) -> str:
    """The file's name: GPU, compute capability, TensorRT's version, precision, and a digest.

    The digest is of the network, its shapes, and all that it was compiled with.
    """
    shapes = repr((wanted.shape, wanted.multiple, wanted.window, wanted.batch, wanted.outputs, made_for)).encode()
    digest = hashlib.sha256(hashlib.sha256(network).digest() + shapes).hexdigest()[:32]
    card = re.sub(r"[^a-z0-9]+", "-", gpu.name.lower()).strip("-")
    major, minor = gpu.capability
    return f"{card}-sm{major}{minor}-trt{version}-{made_for.precision}-{digest}.plan"


@contextmanager
def building(file: Path) -> Iterator[None]:
    """The right to build `file`; whoever comes meanwhile waits for it.

    A build whose process was killed left its mark: it is not begun anew, for it would be killed again. Raises
    ConfigurationError then, which names the file to remove.
    """
    mark = file.with_suffix(".building")
    file.parent.mkdir(parents=True, exist_ok=True)
    with mark.open("a+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.seek(0)
        if held.read():
            raise ConfigurationError(
                f"compiling the network was cut off before it was done; remove {mark} to try again"
            )
        held.write(b"begun")
        held.flush()
        try:
            yield
        finally:
            mark.unlink(missing_ok=True)
            held.truncate(0)  # whoever waits holds this very file


def read_plan(file: Path) -> bytes | None:
    """What was kept in `file`; None where nothing was, or where it is not whole."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return None
    digest, plan = content[:_DIGEST], content[_DIGEST:]
    return plan if hashlib.sha256(plan).digest() == digest else None


def write_plan(file: Path, plan: bytes) -> None:
    """Keep `plan` in `file`, which is there whole or not at all, whenever the process ends."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(dir=file.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as part:
            part.write(hashlib.sha256(plan).digest() + plan)
            part.flush()
            os.fsync(part.fileno())
        Path(unfinished).replace(file)
    except BaseException:
        Path(unfinished).unlink()
        raise

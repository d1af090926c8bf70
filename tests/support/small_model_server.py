"""Serves a small language model as OpenAI's chat completions on loopback: `python small_model_server.py GGUF`.

Prints its address, and ends with its standard input.
"""

import sys
from importlib import import_module
from typing import Any


def main(file: str) -> None:
    """Serve until nobody wants it any more."""
    xllamacpp: Any = import_module("xllamacpp")
    wanted = xllamacpp.CommonParams()
    wanted.model.path = file
    wanted.n_ctx = 2048
    wanted.n_parallel = 1
    # Beside other tests, threads that wait for each other by spinning take all that there is.
    wanted.cpuparams.n_threads = wanted.cpuparams_batch.n_threads = 1
    wanted.hostnames = ["127.0.0.1"]
    wanted.port = 0
    server = xllamacpp.Server(wanted)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])

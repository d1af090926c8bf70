"""The environment of a process that runs models: made of names that are listed, none of them the node's own."""

import os
import sys
from pathlib import Path

from inference_worker.model_config import ModelProcessConfig, visible

# What a Python process and an engine need of the environment; everything else stays behind.
_INHERITED = ("PATH", "LANG", "LD_LIBRARY_PATH", "CUDA_DEVICE_ORDER", "NVIDIA_VISIBLE_DEVICES")


def environment(setup: ModelProcessConfig, scratch: Path) -> dict[str, str]:
    """The environment of a process that runs models in the folder `scratch`: nothing that it does not need."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    own = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "LOGNAME": "model"}
    own |= {"HOME": str(scratch), "TMPDIR": str(scratch)}
    own |= {name: str(setup.threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS") if setup.threads}
    gpus = visible(setup.device, os.environ.get("CUDA_VISIBLE_DEVICES"))
    if gpus is not None:
        own["CUDA_VISIBLE_DEVICES"] = gpus
    return inherited | own

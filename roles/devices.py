"""Which worker runs on which device, and what its model process is told."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from config.programs import program
from config.settings import Settings
from domain.errors import ConfigurationError
from inference_worker.model_config import ModelProcessConfig

_GB = 1_000_000_000


def devices(settings: Settings) -> list[str]:
    """The device of each worker of `up`, in their order."""
    return settings.models.device.split(",")


def spread(settings: Settings, count: Callable[[str], int]) -> Settings:
    """`settings` with a worker for each of several GPUs that the engine can use, where nobody says else.

    `count` says how many those are.
    """
    if settings.models.device != "auto":
        return settings
    found = count(settings.models.engine)
    if found < 2:
        return settings
    device = ",".join(f"auto:{number}" for number in range(found))
    return settings.model_copy(update={"models": settings.models.model_copy(update={"device": device})})


def usable(engine: str) -> int:
    """How many GPUs `engine` can use; asks the driver, which no process may do that is copied later."""
    from inference_worker.engines.choice import uses_gpu  # noqa: PLC0415 - a machine without engines has no worker
    from inference_worker.engines.cuda import gpus  # noqa: PLC0415

    count = len(gpus())
    return count if count and uses_gpu(engine) else 0


def usable_asked_elsewhere(engine: str) -> int:
    """As `usable`, by a process of its own; 0 where the driver's device files show at once that there are not two."""
    if len(list(Path("/dev").glob("nvidia[0-9]*"))) < 2 and not Path("/dev/dxg").exists():
        return 0
    done = subprocess.run([*program(__name__), engine], stdout=subprocess.PIPE, check=False, text=True)
    return int(done.stdout) if done.returncode == 0 else 0


def setup(settings: Settings, index: int = 0) -> ModelProcessConfig:
    """What the model process of worker `index` is told; raises ConfigurationError where there is no such worker.

    Workers of one machine share its cores and its memory.
    """
    from models.installed import engine_cache, folder  # noqa: PLC0415 - signatures, which only a worker looks at

    models, known = settings.models, devices(settings)
    if index >= len(known):
        raise ConfigurationError(f"models.device names {len(known)} for workers; there is none for number {index}")
    return ModelProcessConfig(
        folder(settings),
        models.engine,
        models.threads or max(1, (os.cpu_count() or 1) // len(known)),
        known[index],
        engine_cache(settings),
        models.trusted_keys if models.require_signature else None,
        round(models.gpu_memory_gb * _GB),
        round(models.memory_gb * _GB),
        own_frames_of_reference=models.own_frames_of_reference,
        walls=models.walls,
    )


if __name__ == "__main__":
    sys.stdout.write(str(usable(sys.argv[1])))

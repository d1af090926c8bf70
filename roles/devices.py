"""Which worker runs on which device, and what its model process is told."""

import os

from config.settings import Settings
from domain.errors import ConfigurationError
from inference_worker.model_config import ModelProcessConfig
from models.installed import engine_cache, folder

_GB = 1_000_000_000


def devices(settings: Settings) -> list[str]:
    """The device of each worker of `up`, in their order."""
    return settings.models.device.split(",")


def spread(settings: Settings) -> Settings:
    """`settings` with a worker for each GPU where several are there, an engine can use them, and nobody says else."""
    if settings.models.device != "auto":
        return settings
    from inference_worker.engines.choice import uses_gpu  # noqa: PLC0415 - a machine without engines has no worker
    from inference_worker.engines.cuda import gpus  # noqa: PLC0415

    count = len(gpus())
    if count < 2 or not uses_gpu(settings.models.engine):
        return settings
    device = ",".join(f"auto:{number}" for number in range(count))
    return settings.model_copy(update={"models": settings.models.model_copy(update={"device": device})})


def setup(settings: Settings, index: int = 0) -> ModelProcessConfig:
    """What the model process of worker `index` is told; raises ConfigurationError where there is no such worker.

    Workers of one machine share its cores and its memory.
    """
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
    )

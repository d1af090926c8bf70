"""Which model packages this node has: those of the configured folder, or the shipped ones."""

from pathlib import Path

import models
from config.settings import Settings
from models.registry import Package, Registry


def folder(settings: Settings) -> Path:
    """Where the packages lie."""
    return settings.models.folder or Path(models.__file__).parent


def installed(settings: Settings) -> list[Package]:
    """Every package, read anew; raises ConfigurationError with file and line."""
    return list(Registry.load(folder(settings)).packages.values())

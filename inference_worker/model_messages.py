"""What the parent tells the process that runs models: how it starts, then requests. Both ends are our own code."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from domain.json_records import Json
from inference_worker.model_config import ModelProcessConfig


@dataclass(frozen=True)
class Start:
    """The first message: `factory` ("module:function") makes the runs of the packages that `setup` names."""

    parent: int
    factory: str
    setup: ModelProcessConfig

    def to_json(self) -> dict[str, Json]:
        """As JSON has it."""
        return {"parent": self.parent, "factory": self.factory, "setup": self.setup.to_json()}


@dataclass(frozen=True)
class Trial:
    """The first message to a process that a command tries a package in; one request follows. `work` is what is done.

    `repeats` are the timed runs of each engine, `every` the voxels of which one is kept in a golden sample.
    """

    work: str
    setup: ModelProcessConfig
    repeats: int = 1
    every: int = 1

    def to_json(self) -> dict[str, Json]:
        """As JSON has it."""
        return {"work": self.work, "setup": self.setup.to_json(), "repeats": self.repeats, "every": self.every}


@dataclass(frozen=True)
class SentTask:
    """One run: its package, the files of each input, and where its results are put beside, in the child's own folder.

    `handed` counts the files that have been handed over, `unopened` says why no more could be.
    """

    package: str
    version: str
    files: Mapping[str, tuple[str, ...]]
    scratch: str
    handed: int = 0
    unopened: str = ""


@dataclass(frozen=True)
class Request:
    """Tasks of which each has a reply, and the one whose files are to be read meanwhile."""

    tasks: tuple[SentTask, ...]
    next: SentTask | None = None

    def to_json(self) -> dict[str, Json]:
        """As JSON has it."""
        return asdict(self)

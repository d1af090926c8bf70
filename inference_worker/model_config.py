"""What a model process is told at its start: which packages it runs, and on what."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from domain.json_records import Json, JsonObject, record


@dataclass(frozen=True)
class ModelProcessConfig:
    """How the packages in the folder `models` run.

    `engine` is an engine's name or "auto"; `threads` of the CPU are for each network (0: all). `device` is "auto",
    "cpu", or a GPU by its number from 0: "cuda:1" insists on that one, "auto:1" uses it where an engine can. `cache`
    is the folder for what engines compile, without which none of those that do is used. `keys` are the public keys
    (PEM) of which one must have signed a package; None asks for no signature. `gpu_memory` (bytes) is what a network
    may take of its GPU's memory, 0 all of it; `memory` (bytes) what the process may of the machine's, 0 three
    quarters. `barred` says by the name of a package why it is not to be touched. `own_frames_of_reference` reads images
    as one volume each of which names a frame of reference of its own. `walls` is "required" where the process shall
    refuse to run a package with a wall missing that nothing replaces, or "available".
    """

    models: Path
    engine: str = "auto"
    threads: int = 0
    device: str = "auto"
    cache: Path | None = None
    keys: tuple[Path, ...] | None = None
    gpu_memory: int = 0
    memory: int = 0
    barred: Mapping[str, str] = field(default_factory=dict)
    own_frames_of_reference: bool = False
    walls: str = "required"

    @property
    def kind(self) -> str:
        """The device without its number: the process sees one GPU alone where there is one."""
        return self.device.partition(":")[0]

    def absolute(self) -> "ModelProcessConfig":
        """With every place as seen from wherever the process works."""
        return replace(
            self,
            models=self.models.absolute(),
            cache=self.cache.absolute() if self.cache else None,
            keys=None if self.keys is None else tuple(key.absolute() for key in self.keys),
        )

    def to_json(self) -> dict[str, Json]:
        """As JSON has it."""
        return {
            **vars(self),
            "models": str(self.models),
            "cache": str(self.cache) if self.cache else None,
            "keys": None if self.keys is None else [str(key) for key in self.keys],
            "barred": dict(self.barred),
        }

    @classmethod
    def from_json(cls, said: JsonObject) -> "ModelProcessConfig":
        """What `to_json` made."""
        return record(cls, said)


def visible(device: str, inherited: str | None) -> str | None:
    """CUDA_VISIBLE_DEVICES for a process on `device`, where that of its parent is `inherited`; None: leave it unset.

    A GPU that is not there hides all of them: then it is missed, and no other taken in its place.
    """
    kind, _, number = device.partition(":")
    if not number:
        return "-1" if kind == "cpu" else inherited
    if inherited is None:
        return number
    known = [one.strip() for one in inherited.split(",")]
    return known[int(number)] if int(number) < len(known) else "-1"

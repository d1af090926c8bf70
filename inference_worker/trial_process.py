"""The parent's side of what commands do with a package: in a process of its own behind walls, which may hang or crash.

Nothing that it answers is believed: what is of another form than expected is none of it.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from domain.errors import ConfigurationError, Permanent, Retryable
from inference_worker.model_channel import Stopped, raised
from inference_worker.model_child import ModelChild
from inference_worker.model_config import ModelProcessConfig
from inference_worker.scratch import Scratch
from inference_worker.verdicts import EXPECTED, INPUT, Row, Verdict
from models.drafts import Port, Ports
from models.manifest import Manifest

_T = TypeVar("_T")

_LONGEST = 1800.0  # s that a trial may take, what TensorRT compiles included
_TOLD = 10_000  # things that a trial may say it does
_RESULT = "result"
_MODULE = "inference_worker.trial_server"


class TookTooLong(Retryable):
    """A trial was over its time and was ended."""


@dataclass(frozen=True)
class DryRun:
    """What a dry run found wrong with a package, and what is to be known besides."""

    faults: Sequence[str] = ()
    remarks: Sequence[str] = ()


@dataclass
class _Trial:
    """One piece of work on the package in the folder `package`, with what it is told and the files of its inputs."""

    work: str
    setup: ModelProcessConfig
    package: Path | None = None
    told: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    images: bool = False
    limit: float = _LONGEST

    def done(self, take: Callable[[Scratch], None] = lambda scratch: None) -> dict[str, Any]:
        """What it answers; `take` is given its scratch folder after that. Raises NodeError as the child says."""
        setup, packages = self.setup.absolute(), [self.package.absolute()] if self.package else []
        others = [_MODULE.partition(".")[0]]
        with Scratch() as scratch, ModelChild(_MODULE, setup, packages, scratch, others) as child:
            if self.images:
                child.conceal()
            answer = self._answered(child, setup)
            take(scratch)
            return answer

    def _answered(self, child: ModelChild, setup: ModelProcessConfig) -> dict[str, Any]:
        doing, until = f"the {self.work}", time.monotonic() + self.limit
        try:
            child.channel.send({"setup": setup.to_json(), "tasks": [self._task()], "next": None}, until)
            for _ in range(_TOLD):
                reply = child.channel.receive(until)
                if "error" in reply:
                    raise raised(reply)
                if "answer" in reply:
                    return dict(reply["answer"])
                doing = str(reply.get("doing"))[:200]
            raise Stopped("its process held its parent up")
        except TimeoutError as error:
            raise TookTooLong(f"{doing} took longer than {self.limit:g} s") from error
        except Stopped as error:
            raise Permanent(f"{error} while {doing} and was stopped") from error
        except (EOFError, OSError) as error:
            raise Retryable(f"its process {child.ending()} while {doing}") from error
        except (TypeError, ValueError) as error:
            raise Permanent("its process answered with what is no answer") from error

    def _task(self) -> dict[str, Any]:
        files = {name: [str(path) for path in paths] for name, paths in self.files.items()}
        package = str(self.package.absolute()) if self.package else ""
        return {"work": self.work, "package": package, "files": files, "scratch": _RESULT, **self.told}


def dry_run(package: Path, setup: ModelProcessConfig, limit: float = _LONGEST) -> DryRun:
    """What every engine of this machine makes of the package in the folder `package`, within `limit` seconds."""
    try:
        answer = _Trial("dry run", setup, package, limit=limit).done()
        return _formed(lambda: DryRun(_texts(answer["faults"]), _texts(answer["remarks"])))
    except (ConfigurationError, Permanent, Retryable) as error:
        return DryRun([str(error)])


def test(package: Path, setup: ModelProcessConfig) -> tuple[str, Verdict]:
    """The engine that ran the golden sample of the package in the folder `package`, and its verdict.

    Raises ConfigurationError where there is none or an engine is missing, IntegrityError where a file was changed.
    """
    answer = _Trial("test", setup, package).done()
    return _formed(
        lambda: (
            _text(answer["engine"]),
            Verdict(answer["agrees"] is True, _figure(answer["dice"]), _figure(answer["difference"])),
        )
    )


def bench(
    package: Path, setup: ModelProcessConfig, series: Mapping[str, Sequence[Path]], repeats: int
) -> tuple[Row, ...]:
    """Every engine of this machine side by side on `series` (`files_of`), or where there is none the golden sample."""
    limit = _LONGEST * repeats
    answer = _Trial("bench", setup, package, {"repeats": repeats}, series, bool(series), limit).done()
    return _formed(lambda: tuple(_row(one) for one in answer["engines"]))


def make_golden(package: Path, setup: ModelProcessConfig, series: Mapping[str, Sequence[Path]], every: int) -> None:
    """Put what the model makes of `series` into the package as its golden sample; its manifest is not touched."""
    _Trial("golden", setup, package, {"every": every}, series, True).done(lambda scratch: _keep(scratch, package))


def describe(network: Path, setup: ModelProcessConfig) -> Ports:
    """What the network in the file `network` reads and gives; raises ConfigurationError where it is none."""
    answer = _Trial("describe", setup, files={"network": [network]}).done()
    return _formed(lambda: Ports(_ports(answer["inputs"]), _ports(answer["outputs"])))


def files_of(manifest: Manifest, folders: Sequence[Path]) -> dict[str, list[Path]]:
    """The files of the series in `folders` (or single files), one for each input of `manifest`, in its order.

    Raises ConfigurationError where there are more or fewer, or one is empty.
    """
    if len(folders) != len(manifest.inputs):
        names = ", ".join(one.name for one in manifest.inputs)
        raise ConfigurationError(f"the model reads {len(manifest.inputs)} series ({names}), not {len(folders)}")
    return {one.name: _files(folder) for one, folder in zip(manifest.inputs, folders, strict=True)}


def _files(folder: Path) -> list[Path]:
    files = [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        raise ConfigurationError(f"{folder}: holds no file")
    return files


def _keep(scratch: Scratch, package: Path) -> None:
    """Copy the sample, so that its files are ours; none is touched where one is no plain file."""
    with tempfile.TemporaryDirectory() as kept:
        for name in (INPUT, EXPECTED):
            scratch.take(name, Path(kept) / name)
        for name in (INPUT, EXPECTED):
            (package / name).unlink(missing_ok=True)  # what it was may be a link
            shutil.copyfile(Path(kept) / name, package / name)


# What a process behind walls answers, held against its form ----------------------------------------------------------


def _formed(read: Callable[[], _T]) -> _T:
    try:
        return read()
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise Permanent("its process answered with what is no answer") from error


def _text(one: Any) -> str:
    if not isinstance(one, str):
        raise TypeError
    return one[:10_000]


def _texts(several: Any) -> list[str]:
    return [_text(one) for one in list(several)[:1000]]


def _figure(one: Any) -> float | None:
    return None if one is None else float(one)


def _row(one: Any) -> Row:
    seconds, difference, dice = (_figure(one[name]) for name in ("seconds", "difference", "dice"))
    return Row(_text(one["engine"]), seconds, difference, dice, _text(one["failure"]))


def _ports(several: Any) -> tuple[Port, ...]:
    return tuple(Port(_text(one["name"]), tuple(int(size) for size in one["shape"])) for one in several)

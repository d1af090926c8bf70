"""The parent's side of what commands do with a package: in a process of its own behind walls, which may hang or crash.

Nothing that it answers is believed: what is of another form than expected is none of it.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from domain.errors import ConfigurationError, Permanent, Retryable
from domain.json_records import Json, record
from inference_worker.model_channel import Stopped, raised
from inference_worker.model_child import ModelChild
from inference_worker.model_config import ModelProcessConfig
from inference_worker.model_messages import Request, SentTask, Trial
from inference_worker.scratch import Scratch
from inference_worker.verdicts import EXPECTED, INPUT, Compared, DryRun, Row, Tested
from models.drafts import Ports
from models.manifest import Manifest

_T = TypeVar("_T")

_LONGEST = 1800.0  # s that a trial may take, what TensorRT compiles included
_TOLD = 10_000  # things that a trial may say it does
_RESULT = "result"
_MODULE = "inference_worker.trial_server"


class TookTooLong(Retryable):
    """A trial was over its time and was ended."""


@dataclass(frozen=True)
class _Asked:
    """What is to be done with the package in the folder `package`, and with which files (`images`, or a network)."""

    trial: Trial
    package: Path | None = None
    files: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    images: bool = False
    limit: float = _LONGEST

    def answer(self, kind: type[_T], take: Callable[[Scratch], None] = lambda scratch: None) -> _T:
        """What comes of it; `take` is given the scratch folder after that. Raises NodeError as the child says."""
        packages = [self.package.absolute()] if self.package else []
        others = [_MODULE.partition(".")[0]]
        with Scratch() as scratch, ModelChild(_MODULE, self.trial.setup, packages, scratch, others) as child:
            if self.images:
                child.conceal()
            said = self._said(child)
            take(scratch)
        try:
            return record(kind, said)
        except ValueError as error:
            raise Permanent("its process answered with what is no answer") from error

    def _said(self, child: ModelChild) -> Json:
        doing, until = f"the {self.trial.work}", time.monotonic() + self.limit
        try:
            child.channel.send(self.trial, until)
            child.channel.send(Request((self._task(),)), until)
            for _ in range(_TOLD):
                reply = child.channel.receive(until)
                if "error" in reply:
                    raise raised(reply)
                if "answer" in reply:
                    return reply["answer"]
                doing = str(reply.get("doing"))[:200]
            raise Stopped("its process held its parent up")
        except TimeoutError as error:
            raise TookTooLong(f"{doing} took longer than {self.limit:g} s") from error
        except Stopped as error:
            raise Permanent(f"{error} while {doing} and was stopped") from error
        except (EOFError, OSError) as error:
            raise Retryable(f"its process {child.ending()} while {doing}") from error

    def _task(self) -> SentTask:
        files = {name: tuple(str(path.absolute()) for path in paths) for name, paths in self.files.items()}
        return SentTask(str(self.package.absolute()) if self.package else "", "", files, _RESULT)


@dataclass(frozen=True)
class _Nothing:
    """An answer whose files are all that there is."""


def dry_run(package: Path, setup: ModelProcessConfig, limit: float = _LONGEST) -> DryRun:
    """What every engine of this machine makes of the package in the folder `package`, within `limit` seconds."""
    try:
        return _Asked(Trial("dry run", setup.absolute()), package, limit=limit).answer(DryRun)
    except (ConfigurationError, Permanent, Retryable) as error:
        return DryRun((str(error),))


def test(package: Path, setup: ModelProcessConfig) -> Tested:
    """What came of the golden sample of the package in the folder `package`.

    Raises ConfigurationError where there is none or an engine is missing, IntegrityError where a file was changed.
    """
    return _Asked(Trial("test", setup.absolute()), package).answer(Tested)


def bench(
    package: Path, setup: ModelProcessConfig, series: Mapping[str, Sequence[Path]], repeats: int
) -> tuple[Row, ...]:
    """Every engine of this machine side by side on `series` (`files_of`), or where there is none the golden sample."""
    trial = Trial("bench", setup.absolute(), repeats=repeats)
    return _Asked(trial, package, series, bool(series), _LONGEST * repeats).answer(Compared).engines


def make_golden(package: Path, setup: ModelProcessConfig, series: Mapping[str, Sequence[Path]], every: int) -> None:
    """Put what the model makes of `series` into the package as its golden sample; its manifest is not touched."""
    trial = Trial("golden", setup.absolute(), every=every)
    _Asked(trial, package, series, True).answer(_Nothing, lambda scratch: _keep(scratch, package))


def describe(network: Path, setup: ModelProcessConfig) -> Ports:
    """What the network in the file `network` reads and gives; raises ConfigurationError where it is none."""
    return _Asked(Trial("describe", setup.absolute()), files={"network": [network]}).answer(Ports)


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

"""The parent's side of the model process: starts it, hands it tasks, and ends it when it is over its limit.

Models run in a process of their own so that a hang, a crash in native code or memory run wild costs one attempt and
not the worker. The child (inference_worker.model_server) lives behind walls (inference_worker.walls): it is handed the
images open, writes into a scratch folder that is bounded, emptied and removed from here, and inherits no setting of the
node and no password, for its environment is made of variables that are named (inference_worker.child_environment).
"""

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from domain.errors import NodeError, Permanent, Retryable
from domain.findings import Findings
from domain.json_records import Json, record
from inference_worker.model_channel import Stopped, raised
from inference_worker.model_child import ModelChild
from inference_worker.model_config import ModelProcessConfig
from inference_worker.model_messages import Request, SentTask, Start
from inference_worker.scratch import Scratch
from inference_worker.walls.standing import packages_in

# Packages that may be loaded one after another: each has the time to load anew.
_PACKAGES = 1000

# How often the process may die while it loads one package: once may be an accident, such as a kill from outside.
_DEATHS = 2


class TimedOut(Retryable):
    """The model process was over its time limit and was killed."""


class _Lost(Exception):
    """The child hung, died or ran out of memory while it had several tasks in hand."""


@dataclass(frozen=True)
class ModelProcessSettings:
    """How the model process is started.

    `factory` ("module:function") is called in the child with `setup` and with a function that is to be told the name
    of each package before it is loaded; it returns the child's `Runs` (inference_worker.model_protocol). `start_limit`
    (s) is for each package to be loaded, verified and warm. `scratch` is where the child's folder is made, by default
    where temporary files are, of `room` bytes (0: scratch.ROOM).
    """

    setup: ModelProcessConfig
    start_limit: float = 300.0
    factory: str = "inference_worker.loading:load"
    scratch: Path | None = None
    room: int = 0


@dataclass(frozen=True)
class Task:
    """One run: which package, on which files of each input, and where its arrays are written.

    `scratch` is a path in a folder that exists: mask and maps are put beside it (`mask_file`, `map_file`).
    """

    package: str
    version: str
    files: Mapping[str, Sequence[Path]]
    scratch: Path


@dataclass(frozen=True)
class Answer:
    """What the run found, the keys of its arrays left empty for whoever stores them, and the seconds of each step.

    Steps are "read" (of the files, beside other work), "infer" and "write" (of the arrays).
    """

    findings: Findings
    seconds: Mapping[str, float]


def mask_file(scratch: Path) -> Path:
    """Where the compressed mask of a task is written."""
    return scratch.with_name(f"{scratch.name}.mask")


def map_file(scratch: Path, number: int) -> Path:
    """Where compressed map `number` (from 0) of a task is written."""
    return scratch.with_name(f"{scratch.name}.map{number}")


class ModelProcess:
    """The model process, kept warm between tasks. One thread at a time.

    The thread that starts it must outlive it: Linux sends the signal that ends a child with its parent when the
    starting thread ends (prctl(2), PR_SET_PDEATHSIG).
    """

    def __init__(self, settings: ModelProcessSettings) -> None:
        self._settings = settings
        self._child: ModelChild | None = None
        self._loading = ""
        self._deaths: dict[str, int] = {}
        self._barred: dict[str, str] = {}

    @property
    def pid(self) -> int | None:
        """The child's process id, None while there is none."""
        return self._child.pid if self._child else None

    def start(self) -> None:
        """Return once every package is loaded, verified and warm; at once where that is so already.

        A package that hangs or kills the process while it is loaded is left out from then on, and refuses its own
        tasks with that reason. Raises TimedOut or Retryable where no package is to blame, and what the child raised
        (ConfigurationError where the set-up is wrong).
        """
        while self.pid is None:
            try:
                self._begin()
                return
            except NodeError as error:
                self._end()
                if not (isinstance(error, Retryable) and self._blamed(error)):
                    raise

    def _begin(self) -> None:
        self._end()
        self._loading = ""
        scratch = Scratch(self._settings.scratch, self._settings.room)
        setup = replace(self._settings.setup.absolute(), barred=self._barred)
        others = [self._settings.factory.partition(".")[0]]
        packages = packages_in(setup.models)
        self._child = ModelChild("inference_worker.model_server", setup, packages, scratch, others)
        start = Start(os.getpid(), self._settings.factory, setup)
        self._exchange(start, self._settings.start_limit, "loading the models")

    def _blamed(self, error: Retryable) -> bool:
        """Whether it happened in the loading of one package, which is barred at the second death at last."""
        name = self._loading
        if not name:
            return False
        self._deaths[name] = self._deaths.get(name, 0) + 1
        if isinstance(error, TimedOut) or self._deaths[name] == _DEATHS:
            self._barred[name] = str(error)
        return True

    def run(self, task: Task, timeout: float, upcoming: Task | None = None) -> Answer:
        """The answer to `task`, within `timeout` seconds; starts the child first where none is running.

        The files of `upcoming` are read meanwhile. Raises TimedOut when the child had to be killed, Retryable when it
        died or the model failed, UnusableInput when the images make no input, and other NodeErrors as the child raised
        them.
        """
        self.start()
        try:
            return self._taken(task, self._exchange(_request([task], upcoming), timeout, "running the model"))
        finally:
            if self._child and self._child.scratch.overfull():  # the next task would be blamed for it
                self._end()

    def run_together(self, tasks: Sequence[Task], timeout: float) -> list[Answer | NodeError]:
        """What came of each task of one package that reads images; they share the network's batches.

        `timeout` (s) is for each answer after the one before. Where the child hangs or dies, each task that is not
        answered yet runs by itself, so that only the one to blame fails.
        """
        if len(tasks) == 1:
            return [self._outcome(tasks[0], timeout)]
        answered: list[Answer | NodeError] = []
        with contextlib.suppress(_Lost):
            self.start()
            answered.extend(self._replies(tasks, timeout))
        return answered + [self._outcome(task, timeout) for task in tasks[len(answered) :]]

    def _outcome(self, task: Task, timeout: float) -> Answer | NodeError:
        try:
            return self.run(task, timeout)
        except NodeError as error:
            return error

    def _replies(self, tasks: Sequence[Task], timeout: float) -> Iterator[Answer | NodeError]:
        """Each task's reply; raises _Lost where the child hangs (it is killed), dies, or runs out of memory."""
        try:
            child = self._open()
            child.conceal()
            channel = child.channel
            channel.send(_request(tasks, None), time.monotonic() + timeout)
            for task in tasks:
                reply = channel.receive(time.monotonic() + timeout)
                if reply.get("spent"):
                    raise EOFError
                yield raised(reply) if "error" in reply else self._taken(task, reply.get("answer"))
        except (TimeoutError, EOFError, OSError) as error:
            self._kill()
            raise _Lost from error
        except BaseException:
            self._kill()
            raise

    def stop(self) -> None:
        """End the child: it leaves when its socket closes, or is killed a few seconds later. Harmless where none is.

        The next one tries every package again.
        """
        self._end()
        self._deaths, self._barred = {}, {}

    def _end(self) -> None:
        if self._child:
            self._child.end()
        self._child = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _exchange(self, message: Start | Request, timeout: float, doing: str) -> Json:
        try:
            reply = self._ask(message, timeout)
        except TimeoutError as error:
            self._kill()
            raise TimedOut(f"{doing} took longer than {timeout:g} s and was stopped") from error
        except Stopped as error:
            self._kill()
            raise Permanent(f"{error} while {doing} and was stopped") from error
        except (EOFError, OSError) as error:
            raise Retryable(f"the model process {self._ending()} while {doing}") from error
        except BaseException:
            # An answer that comes after this interruption would be taken for the next task's.
            self._kill()
            raise
        if "error" in reply:
            if reply.get("spent"):
                self._end()
            raise raised(reply)
        return reply.get("answer")

    def _ask(self, message: Start | Request, timeout: float) -> dict[str, Json]:
        """Send a message, receive the reply; TimeoutError past `timeout`, EOFError or OSError where the child is gone.

        Each package that the child begins to load meanwhile has that time anew.
        """
        begun: set[str] = set()
        child = self._open()
        if isinstance(message, Request):
            child.conceal()
        channel = child.channel
        channel.send(message, time.monotonic() + timeout)
        while True:
            reply = channel.receive(time.monotonic() + timeout)
            if "loading" not in reply:
                return reply
            if isinstance(message, Request) or reply["loading"] in begun or len(begun) == _PACKAGES:
                raise Stopped("the model process held its parent up")
            self._loading = str(reply["loading"])
            begun.add(self._loading)

    def _open(self) -> ModelChild:
        if self._child is None:
            raise EOFError
        return self._child

    def _taken(self, task: Task, said: Json) -> Answer:
        """The answer, its arrays moved beside the task's scratch path; raises Permanent where one is no plain file."""
        try:
            answer = record(Answer, said)
        except ValueError as error:
            raise Permanent("the model process answered with what are no findings") from error
        files = [mask_file(task.scratch)] if answer.findings.mask else []
        files += [map_file(task.scratch, number) for number in range(len(answer.findings.maps))]
        if self._child:
            for file in files:
                self._child.scratch.take(file.name, file)
        return answer

    def _kill(self) -> None:
        if self._child:
            self._child.kill()

    def _ending(self) -> str:
        return self._child.ending() if self._child else "was stopped"


def _request(tasks: Sequence[Task], upcoming: Task | None) -> Request:
    return Request(tuple(_said(task) for task in tasks), _said(upcoming) if upcoming else None)


def _said(task: Task) -> SentTask:
    files = {name: tuple(str(path) for path in paths) for name, paths in task.files.items()}
    return SentTask(task.package, task.version, files, str(task.scratch))

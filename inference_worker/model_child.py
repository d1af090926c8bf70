"""How a process that runs models is started and ended: behind walls, with a socket to its parent and no other word."""

import os
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from inference_worker.child_environment import environment
from inference_worker.model_channel import ModelChannel
from inference_worker.model_config import ModelProcessConfig
from inference_worker.printed import Printed
from inference_worker.scratch import Scratch
from inference_worker.walls.standing import command, plan_of

# Seconds that a child is given to end by itself when its socket is closed, before it is killed.
GRACE = 5.0


class ModelChild:
    """A child that runs `module`.main, with the socket's number, on the packages in the folders `packages`.

    It leads a session of its own (a terminal's Ctrl-C is the parent's). `others` are top-level modules that it imports
    besides our own. Its scratch folder, which may hold a patient's volume, goes with it.
    """

    def __init__(
        self,
        module: str,
        setup: ModelProcessConfig,
        packages: Sequence[Path],
        scratch: Scratch,
        others: Sequence[str] = (),
    ) -> None:
        self.scratch = scratch
        self._printed = Printed()
        ours, theirs = socket.socketpair()
        self.channel = ModelChannel(ours, scratch)
        with self._printed, theirs:
            self._process = subprocess.Popen(
                command(plan_of(setup, packages, scratch, others), module, str(theirs.fileno())),
                env=environment(setup, scratch.folder),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._printed.writable,
                stderr=self._printed.writable,
                start_new_session=True,
            )
            self._printed.follow(self._process.pid)

    @property
    def pid(self) -> int | None:
        """Its process id, None once it has ended."""
        return self._process.pid if self._process.poll() is None else None

    def conceal(self) -> None:
        """Images are to be handed over: what it prints from now on is not shown."""
        self._printed.conceal()

    def end(self) -> None:
        """Have it end: it leaves when its socket closes, or is killed a few seconds later."""
        self.channel.close()
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.kill()
        self._printed.end(GRACE)
        self.scratch.remove()

    def kill(self) -> None:
        """End it and whatever it started, at once, and take its status."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self.scratch.remove()

    def ending(self) -> str:
        """How it ended, in words. It has closed its socket, so that its end is near."""
        try:
            return _in_words(self._process.wait(GRACE))
        except subprocess.TimeoutExpired:
            self.kill()
            return "fell silent"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is not None:
            self.kill()
        self.end()


def _in_words(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    name = signal.Signals(-status).name
    return f"was ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")

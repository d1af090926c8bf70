"""Runs the attacks of tests.support.hostile_runs behind the walls, as whoever starts it or as an ordinary user.

`python -m tests.support.hostile_driver FOLDER USER` prints {attack: what came of it} as JSON: "refused", or what it
got; after each the next job must run. USER 0 stays who it is; any other number is a user that it becomes.
"""

import json
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from domain.errors import NodeError
from inference_worker.model_config import ModelProcessConfig
from inference_worker.model_process import ModelProcess, ModelProcessSettings, Task
from inference_worker.walls import kernel
from tests.support.hostile_runs import ATTACKS, ENDINGS
from tests.support.phantoms import Phantom, write

_ROOM = 64_000_000
_BIND, _RECURSIVE, _PRIVATE, _NEW_MOUNTS = 4096, 16384, 1 << 18, 0x20000


def main(folder: Path, user: int) -> None:
    if user:
        become(user, folder)
    os.umask(0o077)  # as a node does, which keeps what it writes to itself
    os.environ["SECRET"] = os.environ["DICOM_NODE_DATABASE"] = "postgresql://node:secret@db/node"
    with ExitStack() as stack:
        told = prepared(folder, stack)
        json.dump({"user": os.geteuid(), **dict(results(folder, told))}, sys.stdout)


def prepared(folder: Path, stack: ExitStack) -> dict[str, object]:
    """What an attacker would like to reach, and where it is."""
    door, local = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)
    stack.enter_context(door)
    stack.enter_context(local)
    place = stack.enter_context(tempfile.TemporaryDirectory())
    local.bind(f"{place}/local")
    local.listen()
    for name in ("data/identity.key", "data/objects/ab/object", "packages/hostile/manifest.toml"):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("secret")
        file.chmod(0o600)
    told = {
        "key": str(folder / "data/identity.key"), "object": str(folder / "data/objects/ab/object"),
        "mark": str(folder / "data/mark"), "manifest": str(folder / "packages/hostile/manifest.toml"),
        "parent": os.getpid(), "port": door.getsockname()[1], "local": f"{place}/local",
    }  # fmt: skip
    (folder / "packages/hostile/told.json").write_text(json.dumps(told))
    return told


def results(folder: Path, told: dict[str, object]) -> Iterator[tuple[str, str]]:
    work = folder / "data" / "work"
    files = {"ct": tuple(write(Phantom(slices=4, size=(24, 24)).datasets(), folder / "data/objects"))}
    setup = ModelProcessConfig(folder / "packages", "fake", 1, memory=1 << 30)
    settings = ModelProcessSettings(setup, 60, "tests.support.hostile_runs:load", work, _ROOM)
    with ModelProcess(settings) as child:
        for name in (*ATTACKS, *(one.__name__ for one in ENDINGS)):
            hangs = name.endswith("hang")
            said = outcome(child, Task(name, "1", files, work / "one"), 5 if hangs else 60)
            left = [one.name for one in work.glob("model-process-*/patient*")]
            after = outcome(child, Task("threshold", "1", files, work / "one"), 60)
            mark = "" if not Path(str(told["mark"])).exists() else " and left its mark"
            yield name, said + mark + "".join(f" and left {one}" for one in left) + ("" if after == "ran" else after)


def outcome(child: ModelProcess, task: Task, limit: float) -> str:
    try:
        title = child.run(task, limit).findings.model.title
    except NodeError as error:
        return f"failed: {error}"
    return title or "ran"


def become(user: int, folder: Path) -> None:
    """Be an ordinary user, for whom the folders are open that lead to Python, to the code and to `folder`."""
    kernel.call("unshare", _NEW_MOUNTS)
    kernel.mount("", "/", "", _RECURSIVE | _PRIVATE)
    needed = [Path(sys.base_prefix), Path(sys.prefix).resolve(), *(Path(one) for one in sys.path if one), folder]
    for one in {closed for place in needed for closed in _closed(place)}:
        _open(one, [place for place in needed if place.is_relative_to(one) and place.exists()])
    os.chown(folder, user, user)
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    kernel.prctl(kernel.SET_DUMPABLE, 1)


def _closed(place: Path) -> list[Path]:
    """The topmost folder above `place` that is closed to others."""
    return [one for one in reversed(place.parents) if one.exists() and not one.stat().st_mode & 0o001][:1]


def _open(folder: Path, needed: list[Path]) -> None:
    """Put in the place of `folder` one that all may enter, with nothing in it but what is `needed`."""
    held = [(os.open(one, os.O_PATH | os.O_CLOEXEC), one) for one in needed]
    kernel.mount("open", str(folder), "tmpfs", 0, "mode=755")
    for descriptor, one in sorted(held, key=lambda pair: pair[1]):
        if not one.exists():
            one.mkdir(parents=True)
            kernel.mount(f"/proc/self/fd/{descriptor}", str(one), "", _BIND | _RECURSIVE)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

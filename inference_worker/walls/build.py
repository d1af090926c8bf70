"""Raises the walls, and says which stand: `build` is called once, by a process that has one thread yet."""

import contextlib
import os
import resource
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from inference_worker.process_limits import be_first_when_memory_ends, end_with
from inference_worker.walls import kernel, landlock, namespaces, syscalls
from inference_worker.walls.plan import STRANGER, Plan

_PROCESSES = 4096  # threads of one user, where all of them are models'
_DESCRIPTORS = 65_536


@dataclass(frozen=True)
class Wall:
    """One wall: what it is called, whether it stands, and what it does or why it does not stand."""

    name: str
    stands: bool
    said: str


def build(plan: Plan) -> list[Wall]:
    """Raise every wall that this machine has; those that it lacks are said and not raised."""
    root = os.geteuid() == 0
    tempfile.tempdir = str(plan.scratch)
    # The memory's order and the parent's death are no walls: they are asked of the kernel while files may be written.
    be_first_when_memory_ends()
    _limit(plan)
    walls = list(_namespaces(plan, root))
    os.chdir(plan.scratch)
    walls.append(_other_user(plan) if root else Wall("user", True, "the node's own, which is not root"))
    end_with(plan.parent)  # a change of user makes the kernel forget it
    walls.append(_tried("rights", _give_up_rights, "none is left, and none can be gained"))
    places = _places(plan, Path(f"/proc/{os.getpid()}"))
    walls.append(_tried("files", lambda: landlock.enclose(places), f"Landlock, version {landlock.version()}"))
    walls.append(_tried("calls", lambda: syscalls.enclose(bool(plan.devices)), "a list of system calls"))
    return walls


def _places(plan: Plan, *own: Path) -> landlock.Places:
    write = (plan.scratch, *plan.write)
    return landlock.Places((*plan.read, *own), plan.listed, write, (Path("/dev/null"), *plan.devices))


def lacking(walls: list[Wall]) -> str:
    """What is missing that no other wall replaces, in a sentence; "" where nothing is.

    Files are kept by Landlock or by a view of their own, network and processes by the list of system calls.
    """
    stand = {wall.name for wall in walls if wall.stands}
    missing = [name for name, one in (("files", {"files", "view"}), ("system calls", {"calls"})) if not one & stand]
    if not missing:
        return ""
    why = "; ".join(f"{wall.name}: {wall.said}" for wall in walls if not wall.stands)
    return (
        f"nothing on this machine keeps a model from other {' and '.join(missing)} ({why}); "
        'a kernel with Landlock and seccomp would, or set models.walls = "available" to go on without'
    )


def _tried(name: str, work: Callable[[], None], said: str) -> Wall:
    try:
        work()
    except OSError as error:
        return Wall(name, False, error.strerror or str(error))
    return Wall(name, True, said)


def _namespaces(plan: Plan, root: bool) -> Iterator[Wall]:
    user = Wall("namespaces", True, "root makes them") if root else _tried("namespaces", namespaces.own_user, "")
    if not user.stands:
        yield Wall("network", False, f"no namespace: {user.said}; the list of system calls alone")
        yield Wall("view", False, f"no namespace: {user.said}; Landlock alone")
        return
    yield _tried("network", namespaces.own_network, "a network without an interface")
    stranger = STRANGER if root else None
    seen = _places(plan)
    yield _tried("view", lambda: namespaces.own_view(seen, plan.scratch, stranger), "a file system of what it needs")


def _other_user(plan: Plan) -> Wall:
    return _tried("user", lambda: _become_stranger(plan), f"number {STRANGER}, who owns nothing")


def _become_stranger(plan: Plan) -> None:
    """Be a user who owns nothing; raises OSError where it could not enter what it has to."""
    os.setgroups([])
    os.setresgid(STRANGER, STRANGER, STRANGER)
    os.seteuid(STRANGER)
    closed = next((one for one in (plan.scratch, *plan.listed, *plan.read) if not _entered(one)), None)
    os.seteuid(0)
    if closed is not None:
        os.setresgid(0, 0, 0)
        raise OSError(13, f"{closed} is closed to others, and there is no view of files that opens it")
    os.setresuid(STRANGER, STRANGER, STRANGER)


def _entered(place: Path) -> bool:
    return not place.is_dir() or os.access(place, os.R_OK | os.X_OK, effective_ids=True)


def _give_up_rights() -> None:
    kernel.drop_capabilities()
    kernel.prctl(kernel.NO_NEW_PRIVS, 1)
    kernel.prctl(kernel.SET_DUMPABLE, 0)


def _limit(plan: Plan) -> None:
    limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: plan.room, resource.RLIMIT_NOFILE: _DESCRIPTORS}
    if os.geteuid() == 0:
        limits[resource.RLIMIT_NPROC] = _PROCESSES
    for kind, wanted in limits.items():
        most = resource.getrlimit(kind)[1]
        limit = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(kind, (limit, limit))

"""A view of the machine of its own: a network without a way out, and no files but those that a plan names.

Root makes them as it is; an ordinary user in a user namespace of its own (user_namespaces(7)), where the kernel and
whatever contains the node let it.
"""

import os
import signal
import stat
import struct
from collections.abc import Iterable
from pathlib import Path

from config.private import readable_by_others
from inference_worker.walls import kernel, landlock

_NEW_MOUNTS, _NEW_UTS, _NEW_IPC, _NEW_USER, _NEW_NETWORK = 0x20000, 0x04000000, 0x08000000, 0x10000000, 0x40000000
_BIND, _RECURSIVE, _PRIVATE, _NO_SUID, _NO_DEVICES, _NO_EXECUTION = 4096, 16384, 1 << 18, 2, 4, 8
_REMOUNT, _READ_ONLY, _DETACH = 32, 1, 2
_AT_CWD, _AT_EMPTY, _AT_RECURSIVE, _CLONE_TREE, _FROM_EMPTY = -100, 0x1000, 0x8000, 1, 4
_ATTRIBUTE_READ_ONLY, _ATTRIBUTE_NO_SUID, _ATTRIBUTE_IDMAP = 1, 2, 0x100000


def own_user() -> None:
    """Enter a user namespace in which this process is the user that it is, and may make the others; raises OSError."""
    user, group = os.geteuid(), os.getegid()
    kernel.call("unshare", _NEW_USER)
    Path("/proc/self/setgroups").write_text("deny", "ascii")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1", "ascii")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1", "ascii")


def own_network() -> None:
    """Enter a network without any interface, and leave the machine's shared memory; raises OSError."""
    kernel.call("unshare", _NEW_NETWORK | _NEW_IPC | _NEW_UTS)


def own_view(places: landlock.Places, scratch: Path, stranger: int | None = None) -> None:
    """See of the file system what `places` name alone, and `scratch`, where they are; raises OSError.

    `scratch` has an empty folder "view". What only its owner may read is readable by the user `stranger` as well, where
    one is given and the file system can say so.
    """
    kernel.call("unshare", _NEW_MOUNTS)
    kernel.mount("", "/", "", _RECURSIVE | _PRIVATE)
    # Another user passes the folders that lead to the places, whatever the node keeps to itself elsewhere.
    with readable_by_others():
        _enter(places, scratch, stranger)


def _enter(places: landlock.Places, scratch: Path, stranger: int | None) -> None:
    root = scratch / "view"
    kernel.mount("view", str(root), "tmpfs", _NO_SUID | _NO_DEVICES, "mode=755")
    for place in _outermost([*places.read, *places.devices]):
        _show(place, root, stranger, writable=False)
    for place in _outermost([*places.write, scratch]):
        _show(place, root, None, writable=True)
    for place in places.listed:
        (root / place.relative_to("/")).mkdir(parents=True, exist_ok=True)
    _proc(root)
    kernel.mount("", str(root), "", _REMOUNT | _BIND | _READ_ONLY | _NO_SUID | _NO_DEVICES)
    os.chdir(root)
    kernel.call("pivot_root", b".", b".")
    kernel.unmount(".", _DETACH)
    os.chdir(scratch)


def _outermost(places: Iterable[Path]) -> list[Path]:
    """Each place and where its links lead, without those that lie in another."""
    every = {one for place in places for one in (place, place.resolve()) if not _is_own(one)}
    return sorted(one for one in every if not any(other in one.parents for other in every))


def _is_own(place: Path) -> bool:
    return place.is_relative_to("/proc/self") or place.is_relative_to(f"/proc/{os.getpid()}")


def _show(place: Path, root: Path, stranger: int | None, writable: bool) -> None:
    target = root / place.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    if place.is_dir():
        target.mkdir(exist_ok=True)
    else:
        target.touch()
    owner = place.stat()
    if stranger is not None and not _open_to_all(owner) and _show_as_own(place, target, stranger):
        return
    device = stat.S_ISCHR(owner.st_mode)
    # Not recursive where the scratch holds the view itself.
    kernel.mount(str(place), str(target), "", _BIND | (0 if writable else _RECURSIVE))
    if not (writable or device):
        _restrict(_AT_CWD, str(target).encode(), _AT_RECURSIVE)


def _open_to_all(found: os.stat_result) -> bool:
    return bool(found.st_mode & stat.S_IROTH) and found.st_uid == 0 and not found.st_mode & stat.S_IWOTH


def _restrict(at: int, path: bytes, flags: int, users: int = 0) -> None:
    """Read-only, and with `users`, a user namespace, as its map says (mount_setattr(2))."""
    mapped = _ATTRIBUTE_IDMAP if users else 0
    attributes = struct.pack("QQQQ", _ATTRIBUTE_READ_ONLY | _ATTRIBUTE_NO_SUID | mapped, 0, 0, users)
    kernel.call("mount_setattr", at, path, flags, attributes, len(attributes))


def _show_as_own(place: Path, target: Path, stranger: int) -> bool:
    """Show `place` with what its owner owns as owned by `stranger`; whether the file system can."""
    found = place.stat()
    try:
        users = _mapping(found.st_uid, found.st_gid, stranger)
        tree = kernel.call("open_tree", _AT_CWD, str(place).encode(), _CLONE_TREE | os.O_CLOEXEC)
        try:
            _restrict(tree, b"", _AT_EMPTY, users)
            kernel.call("move_mount", tree, b"", _AT_CWD, str(target).encode(), _FROM_EMPTY)
        finally:
            os.close(tree)
            os.close(users)
    except OSError:
        return False
    return True


def _mapping(user: int, group: int, stranger: int) -> int:
    """A user namespace in which `user` and `group` are `stranger`: a descriptor. A child holds it until it is open."""
    ready, done = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        try:
            kernel.call("unshare", _NEW_USER)
            os.write(ready[1], b"1")
            os.read(done[0], 1)
        finally:
            os._exit(0)
    try:
        os.close(ready[1])
        if not os.read(ready[0], 1):
            raise OSError(1, "no user namespace")
        Path(f"/proc/{child}/uid_map").write_text(f"{user} {stranger} 1", "ascii")
        Path(f"/proc/{child}/gid_map").write_text(f"{group} {stranger} 1", "ascii")
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        for one in (ready[0], *done):
            os.close(one)


def _proc(root: Path) -> None:
    """What the kernel says of this process, and of no other."""
    own = Path(f"/proc/{os.getpid()}")
    target = root / own.relative_to("/")
    target.mkdir(parents=True, exist_ok=True)
    kernel.mount(str(own), str(target), "", _BIND)
    (root / "proc/self").symlink_to(own.name)

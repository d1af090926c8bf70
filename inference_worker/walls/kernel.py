"""The calls of the Linux kernel that the standard library has none for; each raises OSError."""

import ctypes
import os
import platform
import sys

NO_NEW_PRIVS, SET_DUMPABLE, SET_PDEATHSIG = 38, 4, 1  # prctl(2)
_CAPBSET_DROP, _CAP_AMBIENT, _CAP_AMBIENT_CLEAR_ALL = 24, 47, 4
_LAST_CAPABILITY = 63
_CAPABILITIES_VERSION = 0x20080522  # capset(2), version 3

# Numbers of x86_64 and aarch64; what was added since 2019 has one number everywhere.
_NUMBERS = {"pivot_root": (155, 41), "seccomp": (317, 277), "capset": (126, 91), "unshare": (272, 97)}
_COMMON = {
    "open_tree": 428, "move_mount": 429, "mount_setattr": 442, "landlock_create_ruleset": 444,
    "landlock_add_rule": 445, "landlock_restrict_self": 446,
}  # fmt: skip
_MACHINES = ("x86_64", "aarch64")


def machine() -> int | None:
    """Which of the columns of numbers this machine's kernel reads; None where neither."""
    here = platform.machine()
    return _MACHINES.index(here) if sys.platform == "linux" and here in _MACHINES and sys.maxsize > 2**32 else None


def call(name: str, *arguments: int | bytes | ctypes.Array[ctypes.c_char] | None) -> int:
    """The system call `name`; raises OSError where the kernel refuses it."""
    at = machine()
    if at is None:
        raise OSError(38, f"{name} is not known on this machine")
    number = _COMMON[name] if name in _COMMON else _NUMBERS[name][at]
    given = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    return _checked(name, ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(number), *given))


def prctl(option: int, value: int = 0, other: int = 0) -> int:
    """prctl(2)."""
    function = ctypes.CDLL(None, use_errno=True).prctl
    given = [ctypes.c_ulong(one) for one in (value, other, 0, 0)]
    return _checked("prctl", function(ctypes.c_int(option), *given))


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """mount(2)."""
    texts = [one.encode() or None for one in (source, target, kind)]
    function = ctypes.CDLL(None, use_errno=True).mount
    _checked("mount", function(*texts, ctypes.c_ulong(flags), data.encode() or None))


def unmount(target: str, flags: int) -> None:
    """umount2(2)."""
    _checked("umount2", ctypes.CDLL(None, use_errno=True).umount2(target.encode(), flags))


def drop_capabilities() -> None:
    """Give up every capability, for this process and for whatever it might become."""
    for number in range(_LAST_CAPABILITY + 1):
        try:
            prctl(_CAPBSET_DROP, number)
        except OSError:  # no such one, or it is not ours to drop: then it is not ours to have, either
            continue
    prctl(_CAP_AMBIENT, _CAP_AMBIENT_CLEAR_ALL)
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION, 0)
    call("capset", bytes(header), bytes(24))


def close_descriptors(*kept: int) -> None:
    """Close every descriptor but 0, 1, 2 and `kept`; os.closerange asks close_range(2)."""
    low = 3
    for high in (*sorted(kept), 1 << 20):
        os.closerange(low, high)
        low = max(low, high + 1)


def _checked(name: str, result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result

"""What a process that runs models may take, and when it ends: asked of the kernel, since native code asks nobody."""

import contextlib
import ctypes
import os
import resource
import signal
import sys
from pathlib import Path


def end_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies, even in the middle of native code (prctl(2))."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it died before the kernel was asked
        sys.exit(1)


def be_first_when_memory_ends() -> None:
    """Let the kernel take this process, whose work is tried again, before a database or a listener (proc(5))."""
    with contextlib.suppress(OSError):  # not Linux, or /proc is not mounted
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")


def take_no_more_than(limit: int) -> None:
    """Have requests for memory fail, as errors with a reason, once this process has `limit` bytes (getrlimit(2)).

    Counted is what it may write to and shares with nobody: a GPU's address space, which is reserved, is not.
    """
    most = resource.getrlimit(resource.RLIMIT_DATA)[1]
    limit = limit if most == resource.RLIM_INFINITY else min(limit, most)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def allowed(stated: int) -> int:
    """Bytes that a model process may take where `stated` are (0: three quarters of the machine's)."""
    return stated or _machine_memory() * 3 // 4


def taken() -> int:
    """Bytes of memory that this process holds now (proc(5))."""
    with contextlib.suppress(OSError, ValueError):
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def most_taken() -> int:
    """Bytes of memory that this process has held at most (getrusage(2), in KiB on Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _machine_memory() -> int:
    """Bytes of memory of this machine, or of its container where that has less (cgroup v2)."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(machine, int(Path("/sys/fs/cgroup/memory.max").read_text("ascii")))
    except (OSError, ValueError):  # no such group, or it says "max"
        return machine

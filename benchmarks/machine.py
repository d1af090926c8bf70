"""Where a benchmark ran: processor, kernel, disk, and the versions of the programs that took part."""

import os
import platform
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path


def describe(folder: Path) -> str:
    """Date and machine in one line; `folder` is on the disk that was written to."""
    parts = (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        f"{os.cpu_count()} cores of {_processor()}",
        f"Linux {platform.release()}",
        f"{_memory()} of memory",
        _disk(folder),
        f"load {os.getloadavg()[0]:.1f} at the end",
    )
    return ", ".join(parts)


def synced_write(folder: Path) -> float:
    """What a durable write of 40 KB over blocks that exist takes in `folder` now: the median of a hundred, in ms."""
    data, path = os.urandom(40_960), folder / "synced-write"
    path.write_bytes(data)
    file = os.open(path, os.O_WRONLY | os.O_DSYNC)
    try:
        os.fsync(file)
        return statistics.median(_milliseconds(lambda: os.pwrite(file, data, 0)) for _ in range(100))
    finally:
        os.close(file)


def _milliseconds(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return (time.perf_counter() - begun) * 1000


def first_line(command: Sequence[str]) -> str:
    """The first line that a program prints, such as its version; "" where it is not there or prints none."""
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return next(iter((done.stdout or done.stderr).splitlines()), "").strip(" $")


def package(name: str) -> str:
    """The version of a Debian package, "" where it is not installed."""
    return first_line(["dpkg-query", "--show", "--showformat=${Version}", name])


def _processor() -> str:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0].partition(":")[2].strip() if names else platform.machine()


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"


def _disk(folder: Path) -> str:
    return first_line(["findmnt", "--noheadings", "--output", "FSTYPE,SOURCE", "--target", str(folder)])

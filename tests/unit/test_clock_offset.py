"""How far a host's clock may be off is said in words, and never guessed."""

import subprocess
import threading
from pathlib import Path

import pytest

from audit.actions import Action
from roles import clock_offset
from roles.clock_offset import KernelClock


def test_what_is_in_step_is_told_with_its_bound() -> None:
    assert KernelClock(-412.0, 15_250, synchronised=True).said == "off by -0.412 ms, by 15.2 ms at the most"


def test_of_a_clock_that_nothing_keeps_in_step_it_is_unknown() -> None:
    assert KernelClock(0.0, 16_000_000, synchronised=False).said.startswith("unknown: nothing keeps the clock")


def test_the_kernel_is_asked_and_says_what_another_program_reads_of_it() -> None:
    state = Path("/usr/sbin/adjtimex")
    if not state.exists():
        assert clock_offset.clock_offset().startswith(("off by ", "unknown: "))
        return
    told = subprocess.run([state, "--print"], check=True, capture_output=True, text=True).stdout
    unsynchronised = bool(int(told.split("status:")[1].split()[0]) & 0x40)
    assert clock_offset.clock_offset().startswith("unknown") is unsynchronised


def test_a_kernel_that_does_not_tell_leaves_it_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> KernelClock:
        raise OSError(1, "the kernel does not tell")

    monkeypatch.setattr(clock_offset, "_kernel_clock", refused)
    assert clock_offset.clock_offset() == "unknown: [Errno 1] the kernel does not tell"


def test_a_process_that_runs_on_tells_it_again_until_it_ends() -> None:
    ended, told = threading.Event(), []

    class Ledger:
        def record(self, action: Action, **details: str) -> None:
            told.append((action, *details))
            if len(told) == 2:
                ended.set()

    clock_offset._tell(Ledger(), ended, every=0.001)  # type: ignore[arg-type]
    assert told == [(Action.CLOCK, "clock")] * 2

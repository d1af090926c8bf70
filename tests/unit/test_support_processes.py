"""What tests ask about processes: an answer that changes is asked for once."""

import subprocess
import sys

from tests.support.processes import alive, children, kill_pid, the_child

# A parent whose child comes late, and is another one when it was killed.
PARENT = """
import subprocess, sys, time
for line in sys.stdin:
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).wait()
"""


def test_a_childs_pid_is_not_asked_twice_for_the_second_answer_is_another_child_or_none() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, text=True) as parent:
        assert parent.stdin
        try:
            assert children(parent.pid) == []
            print(file=parent.stdin, flush=True)
            first = the_child(parent.pid)
            kill_pid(first)
            print(file=parent.stdin, flush=True)
            second = next(one for one in iter(lambda: the_child(parent.pid), None) if one != first)
            assert not alive(first) and alive(second)
            kill_pid(second)
        finally:
            parent.kill()

"""What a role's process is given before its role begins."""

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

_RUN = """
import resource, sys
from pathlib import Path
from config.settings import Settings
from roles.process import run_role

_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most // 2, most))
settings = Settings(data=Path(sys.argv[1]))
sys.exit(run_role("listen", lambda _: print(resource.getrlimit(resource.RLIMIT_NOFILE) == (most, most)), settings))
"""


def test_a_role_may_open_as_many_descriptors_as_the_machine_allows(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _RUN, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


_LIVES = """
import sys
from pathlib import Path
from config.loading import load_settings
from roles.process import run_role

file = Path(sys.argv[1])

def role(context):
    print(*(one.name for one in context.settings.destinations), flush=True)
    context.stop.wait()

def read():
    return load_settings(file)

import roles.process
roles.process.WITHOUT_DATABASE = frozenset({"deliver"})
sys.exit(run_role("deliver", role, read(), 0, read))
"""


def test_a_role_by_itself_begins_anew_with_what_it_goes_by_and_ends_when_asked(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_text(f'data = "{tmp_path}/data"\ndestinations = ["OLD@10.1.0.10:104"]\n')
    with subprocess.Popen([sys.executable, "-c", _LIVES, file], stdout=subprocess.PIPE, text=True) as role:
        assert role.stdout is not None
        assert role.stdout.readline() == "OLD\n"
        file.write_text(file.read_text().replace("OLD@", "NEW@"))
        role.send_signal(signal.SIGHUP)
        assert role.stdout.readline() == "NEW\n"
        role.terminate()
        assert role.wait() == 0


def test_a_terminal_that_is_closed_ends_a_process_that_otherwise_reloads_when_it_is_hung_up(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_text(f'data = "{tmp_path}/data"\ndestinations = ["OLD@10.1.0.10:104"]\n')
    ours, theirs = pty.openpty()
    begin = f"import fcntl, termios\nfcntl.ioctl({theirs}, termios.TIOCSCTTY, 0)\n{_LIVES}"
    command = [sys.executable, "-c", begin, str(file)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, pass_fds=[theirs], start_new_session=True
    ) as role:
        os.close(theirs)
        assert role.stdout is not None
        assert role.stdout.readline() == "OLD\n"
        file.write_text(file.read_text().replace("OLD@", "NEW@"))
        role.send_signal(signal.SIGHUP)
        assert role.stdout.readline() == "NEW\n"
        os.close(ours)  # the kernel hangs up whoever has it for a terminal
        assert role.wait() == 0

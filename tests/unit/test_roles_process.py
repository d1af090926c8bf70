"""What a role's process is given before its role begins."""

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

"""`python -m console.demo.leash PARENT PROGRAM ...`: becomes PROGRAM, which the kernel ends (SIGTERM) when PARENT does.

So a demonstration that is itself killed leaves no server behind. It imports nothing of the node, to start at once.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # prctl(2)


def main() -> None:
    """Set the signal, see that the parent still lives, and become the program."""
    parent, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() == int(parent):
        os.execvp(command[0], command)


if __name__ == "__main__":
    main()

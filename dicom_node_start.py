"""Starts the node's programs with the node's own code, whatever else is called `config`, `models` or `store`.

The rooms have short names at the top, which the current folder or another distribution may have too. So they are found
here before all else: beside this file as they lie in the repository, below `dicom_node_rooms` as the wheel lays them.
The installed command comes in by `main`; a child process by `python -P dicom_node_start.py MODULE ARGUMENTS`, which
is as `python -m MODULE`. Before the rooms are safe nothing is imported here but what Python itself has loaded.
"""

import os
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import PathFinder

_HERE = os.path.dirname(os.path.abspath(__file__))


class _Rooms:
    """Finds the packages of one folder there and nowhere else. The first finder that Python asks."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self.names = frozenset(
            name for name in os.listdir(folder) if os.path.isfile(os.path.join(folder, name, "__init__.py"))
        )

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        return PathFinder.find_spec(name, [self._folder]) if name in self.names else None


def secure() -> None:
    """From now on the rooms are the node's own, and nothing is imported from the script's or the current folder."""
    if not sys.flags.safe_path:
        del sys.path[0]
    installed = os.path.join(_HERE, "dicom_node_rooms")
    rooms = _Rooms(installed if os.path.isdir(installed) else _HERE)
    for name in [name for name in sys.modules if name.partition(".")[0] in rooms.names]:
        del sys.modules[name]  # what somebody's start-up file has imported
    sys.meta_path.insert(0, rooms)
    # Whatever plug-in of pydantic's an environment holds would otherwise be looked for in every distribution, and run.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def main() -> None:
    """The command `dicom-node`."""
    secure()
    from console.cli.main import main as command  # noqa: PLC0415 - found by now where it should be

    command()


def run() -> None:
    """Become the module that the first argument names."""
    secure()
    from runpy import run_module  # noqa: PLC0415 - the installed command needs none of it

    del sys.argv[0]
    run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    run()

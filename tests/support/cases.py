"""The small inputs that nodes in the field met: made anew by each case's own program, sent as they are."""

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import pytest

from tests.support.counterparts import data_folder
from tests.support.listening import ACCEPT
from tests.support.node import Node


def cases_folder() -> Path:
    """Where the cases lie, beside the test data; skips the test where they are not."""
    folder = data_folder().parent / "cases"
    if not folder.is_dir():
        pytest.skip(f"the cases are not at {folder}")
    return folder


def make_case(number: str, folder: Path) -> Path:
    """The input of case `number` under `folder`."""
    (case,) = cases_folder().glob(f"{number}-*")
    subprocess.run([sys.executable, str(case / "make.py"), str(folder)], check=True, capture_output=True, timeout=120)
    return folder


def send_case(node: Node, folder: Path, calling: str = "CT01") -> Mapping[str, str]:
    """Send every file of `folder` in one association, its data set byte for byte; the status of each as text."""
    scu = _bare_scu()
    address = ("127.0.0.1", node.port)
    return dict(scu.send_folder(folder, address, node.aet.encode(), calling.encode()))


@contextmanager
def open_association(node: Node, file: Path, calling: str = "ROUTER") -> Iterator[Callable[[Path], int]]:
    """An association for instances like `file`; gives what sends one over it and returns the status."""
    scu = _bare_scu()
    sop_class, _, syntax, _ = scu.parts(file)
    with scu.Scu(("127.0.0.1", node.port), node.aet.encode(), calling.encode()) as association:
        assert association.associate({1: (sop_class, [syntax])}) == ACCEPT

        def store(path: Path) -> int:
            _, instance, _, data = scu.parts(path)
            return int(association.store(1, sop_class, instance, data))

        yield store
        association.release()


def send_odd_requests(node: Node) -> Mapping[str, str]:
    """Case 15: what its program says of the answer to each of its requests, by letter."""
    (case,) = cases_folder().glob("15-*")
    with TemporaryDirectory() as folder:
        # It reads what it has made from beside itself.
        for name in (case.name, "_lib"):
            shutil.copytree(cases_folder() / name, Path(folder) / name)
        make = [sys.executable, str(Path(folder) / case.name / "make.py")]
        subprocess.run(make, check=True, capture_output=True, timeout=120)
        done = subprocess.run(
            [*make, "--send", str(node.port)], check=True, capture_output=True, text=True, timeout=120
        )
    return {line.split()[0]: line for line in done.stdout.splitlines()}


def data_set(path: Path) -> bytes:
    """What a file of a case holds behind its file meta, by the group length: what is sent of it."""
    return bytes(_bare_scu().parts(path)[3])


def _bare_scu() -> ModuleType:
    """The cases' own sender: a socket and no toolkit that would mend what it sends."""
    spec = importlib.util.spec_from_file_location("cases_rawscu", cases_folder() / "_lib" / "rawscu.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

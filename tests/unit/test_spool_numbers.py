"""Every process that writes into the spool has a folder of its own there."""

import ast
from pathlib import Path

from dicom_node.spool import SpoolWriter
from dicom_node.spool.numbers import SpoolNumber
from tests.support.counterparts import ROOT
from tests.support.spool import SMALL

_ROOMS = ("dicom_node", "roles", "consumers")
_LISTENER = ROOT / "dicom_node/listener/server.py"


def test_all_who_write_do_so_side_by_side(tmp_path: Path) -> None:
    writers = [SpoolWriter(tmp_path, number, SMALL) for number in (0, *SpoolNumber)]
    for writer in writers:
        writer.close()
    assert sorted(one.name for one in tmp_path.iterdir() if one.is_dir()) == sorted(
        map(str, (0, *map(int, SpoolNumber)))
    )


def test_nobody_but_the_listener_chooses_a_number_of_its_own() -> None:
    files = [file for room in _ROOMS for file in (ROOT / room).rglob("*.py") if file != _LISTENER]
    calls = [one for file in files for one in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(one, ast.Call)]
    numbers = [ast.unparse(one.args[1]) for one in calls if ast.unparse(one.func).split(".")[-1] == "SpoolWriter"]
    assert len(numbers) == len(set(numbers)) == len(SpoolNumber)
    assert all(one.startswith("SpoolNumber.") for one in numbers)

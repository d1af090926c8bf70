"""dcmjs-dimse, a DICOM network library in JavaScript, as a peer: what each script in `tests/support/dimse` does."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from pydicom import Dataset

from tests.support.counterparts import dimse_modules, require

_SCRIPTS = Path(__file__).parent / "dimse"


def command(script: str, *arguments: object) -> tuple[list[str], dict[str, str]]:
    """The command line of a script, and the environment that it needs."""
    environment = {**os.environ, "NODE_PATH": str(dimse_modules())}
    return [require("node"), str(_SCRIPTS / f"{script}.js"), *map(str, arguments)], environment


def said(script: str, *arguments: object, timeout: float = 120) -> list[dict[str, Any]]:
    """The lines of JSON that a script prints until it ends; of private elements the library complains on its own."""
    line, environment = command(script, *arguments)
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.stdout, done.stderr
    return [json.loads(one) for one in done.stdout.splitlines()]


def message(operation: str, sop_class: str, sop_instance: str, dataset: Dataset, kind: int = 0) -> dict[str, Any]:
    """A message for the script `say`; `kind` is its action or event type."""
    about = {"operation": operation, "sopClass": sop_class, "sopInstance": sop_instance, "type": kind}
    return {**about, "dataset": keyworded(dataset)}


def keyworded(dataset: Dataset) -> dict[str, Any]:
    """A data set as the library takes one: by keywords, sequences as lists."""
    return {
        one.keyword: [keyworded(item) for item in one.value] if one.VR == "SQ" else str(one.value or "")
        for one in dataset
    }

"""dcmjs-dimse, a DICOM network library in JavaScript, as a peer: what each script in `tests/support/dimse` does."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydicom import Dataset

from dicom_node.tls.authority import Files
from tests.support.certificates import Site
from tests.support.counterparts import dimse_modules, require
from tests.support.processes import answers, free_port
from tests.support.servers import Server

_SCRIPTS = Path(__file__).parent / "dimse"
Line = dict[str, Any]


def ask(port: int, *requests: Mapping[str, object], calling: str = "DCMJS", **more: object) -> list[Line]:
    """Say `requests` to NODE at `port` in one association; what `ask.js` prints until it ends."""
    given = {"port": port, "calling": calling, "called": "NODE", "requests": requests, **more}
    done = subprocess.run(
        _command("ask", given), env=_environment(), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout, done.stderr
    return _lines(done.stdout)


class DcmjsArchive(Server):
    """`archive.js` on a free port; `tls` are its files where it speaks TLS."""

    def __init__(self, folder: Path, tls: Mapping[str, str] | None = None) -> None:
        super().__init__(folder)
        self.port = free_port()
        self._tls = tls

    def command(self) -> list[str]:
        settings = ["/usr/bin/env", f"NODE_PATH={dimse_modules()}"]
        return [*settings, *_command("archive", {"port": self.port, "tls": self._tls})]

    def ready(self) -> bool:
        return answers(self.port)

    def said(self, what: str) -> list[Line]:
        """The requests of one kind that it has had."""
        return [one for one in _lines(self.log.read_text()) if one["what"] == what]


def tls(site: Site, files: Files) -> dict[str, str]:
    """The files of a partner as the scripts take them."""
    return {"key": str(files.key), "cert": str(files.certificate), "ca": str(site.ca)}


def elements(dataset: Dataset) -> dict[str, object]:
    """A data set of texts and sequences by keywords, as the library has it."""
    return {one.keyword: list(map(elements, one.value)) if one.VR == "SQ" else str(one.value or "") for one in dataset}


def _command(script: str, given: Mapping[str, object]) -> list[str]:
    return [require("node"), str(_SCRIPTS / f"{script}.js"), json.dumps(given)]


def _environment() -> dict[str, str]:
    return {**os.environ, "NODE_PATH": str(dimse_modules())}


def _lines(printed: str) -> list[Line]:
    # Of private elements the library complains on its own.
    return [json.loads(one) for one in printed.splitlines() if one.startswith("{")]

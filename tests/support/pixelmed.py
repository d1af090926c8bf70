"""PixelMed: its programs for the network, and its validator of structured reports.

text = report(path); one validator for each test process, since its start costs as much as 50 reports.
"""

import atexit
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from threading import Timer

from tests.support.counterparts import require, require_file

JAR = Path("/usr/share/java/pixelmed.jar")
_PROGRAM = Path(__file__).with_name("PixelMedJudge.java")
# Its style sheets are larger than the limits that Java has set for XPath since version 17.
_NO_XPATH_LIMITS = [f"-Djdk.xml.xpath{limit}=0" for limit in ("ExprGrpLimit", "ExprOpLimit", "TotalOpLimit")]
_END = "== judged"
_PATIENCE = 120.0  # seconds for one report
_QUICK = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")


def network(program: str) -> list[str]:
    """How one of its programs for the network is called, before its arguments."""
    return [require("java"), *_QUICK, "-cp", str(require_file(JAR)), f"com.pixelmed.network.{program}"]


def report(path: Path) -> str:
    """What it says of a report; where it dies or hangs, what it said until then, and the next report has another."""
    if not _started().running:
        _started.cache_clear()
    return _started().report(path)


@cache
def _started() -> "_PixelMed":
    validator = _PixelMed()
    atexit.register(validator.kill)
    return validator


class _PixelMed:
    """A process that judges one report after another."""

    def __init__(self) -> None:
        jar = require_file(JAR)
        java = [require("java"), *_QUICK, *_NO_XPATH_LIMITS]
        self._process = subprocess.Popen(
            [*java, "-cp", str(jar), str(_PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            bufsize=1,
        )

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    def report(self, path: Path) -> str:
        assert self._process.stdin
        watch = Timer(_PATIENCE, self._process.kill)
        watch.start()
        try:
            print(path, file=self._process.stdin, flush=True)
            return "".join(self._lines())
        except BrokenPipeError:
            return "".join(self._lines())
        finally:
            watch.cancel()

    def _lines(self) -> Iterator[str]:
        assert self._process.stdout
        for line in self._process.stdout:
            if line.strip() == _END:
                return
            yield line

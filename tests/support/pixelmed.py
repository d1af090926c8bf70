"""PixelMed's validator of structured reports, started once for any number of them.

with PixelMed() as validator:
    text = validator.report(path)
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from types import TracebackType
from typing import Self

from tests.support.counterparts import require, require_file

JAR = Path("/usr/share/java/pixelmed.jar")
_PROGRAM = Path(__file__).with_name("PixelMedJudge.java")
# Its style sheets are larger than the limits that Java has set for XPath since version 17.
_NO_XPATH_LIMITS = [f"-Djdk.xml.xpath{limit}=0" for limit in ("ExprGrpLimit", "ExprOpLimit", "TotalOpLimit")]
_END = "== judged"
_PATIENCE = 120.0  # seconds for one report


class PixelMed:
    """A process that judges one report after another."""

    def __enter__(self) -> Self:
        jar = require_file(JAR)
        java = [require("java"), "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", *_NO_XPATH_LIMITS]
        self._process = subprocess.Popen(
            [*java, "-cp", str(jar), str(_PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            bufsize=1,
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()

    def report(self, path: Path) -> str:
        """What it says of a report; where it dies or hangs, what it said until then."""
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

"""HAPI's validator of FHIR resources: one Java for each test process, since its start costs more than all resources."""

import atexit
import json
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from threading import Timer

from tests.support.counterparts import fhir_jars, require

_PROGRAM = Path(__file__).with_name("FhirJudge.java")
#: Profiles that resources may claim, written out from what they say of themselves.
PROFILES = Path(__file__).parent / "fhir_profiles"
_END = "== judged"
_PATIENCE = 240.0  # seconds for one resource; the first waits for all definitions


def errors(resource: Mapping[str, object]) -> list[str]:
    """What FHIR R4, and each profile that the resource claims, have against it."""
    return [line for line in _started().judge(resource) if line.startswith(("ERROR ", "FATAL "))]


@cache
def _started() -> "_Validator":
    validator = _Validator()
    atexit.register(validator.kill)
    return validator


class _Validator:
    def __init__(self) -> None:
        java = [require("java"), "-XX:+UseSerialGC", "-cp", f"{fhir_jars()}/*", str(_PROGRAM)]
        self._process = subprocess.Popen(
            [*java, *map(str, sorted(PROFILES.glob("*.json")))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            errors="replace",
            bufsize=1,
        )

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    def judge(self, resource: Mapping[str, object]) -> list[str]:
        assert self._process.stdin
        watch = Timer(_PATIENCE, self._process.kill)
        watch.start()
        try:
            print(json.dumps(resource), file=self._process.stdin, flush=True)
            return list(self._lines())
        finally:
            watch.cancel()

    def _lines(self) -> Iterator[str]:
        assert self._process.stdout
        for line in self._process.stdout:
            if line.rstrip() == _END:
                return
            yield line.rstrip()
        raise AssertionError("the validator of FHIR ended by itself")

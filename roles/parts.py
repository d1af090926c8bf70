"""Which parts of the data folder each role needs, and how: the one place, for Compose, the documents and tests.

What a role has for itself alone is none of them: DATA/run, where a process says that it runs. The key of the patients'
digests (DATA/identity.key, where no setting gives it) is the index's, and of commands that look for a study by it.
"""

import threading
from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum

from roles.process import Context
from store.drafts import sweep


class Need(StrEnum):
    """How a role needs a part."""

    READS = "reads"
    WRITES = "writes"


SPOOL = "spool"
IMAGES = "objects/instances"
MASKS = "objects/masks"
MAPS = "objects/maps"
RESULTS = "objects/results"
REQUESTS = "objects/requests"
WORK = "work"
ENGINES = "engines"
ACCESS = "access"  # keys that access tokens are signed with
SEAL = "seal"  # keys that checkpoints are signed with

PARTS: Mapping[str, Mapping[str, Need]] = {
    "listen": {SPOOL: Need.WRITES},
    "web": {SPOOL: Need.WRITES},
    "follow": {SPOOL: Need.WRITES},
    "index": {SPOOL: Need.WRITES, IMAGES: Need.WRITES, REQUESTS: Need.WRITES},
    "assemble": {SPOOL: Need.WRITES, IMAGES: Need.READS, REQUESTS: Need.WRITES},
    "work": {IMAGES: Need.READS, MASKS: Need.WRITES, MAPS: Need.WRITES, WORK: Need.WRITES, ENGINES: Need.WRITES},
    "summarise": {},
    "write": {
        IMAGES: Need.READS,
        MASKS: Need.READS,
        MAPS: Need.READS,
        REQUESTS: Need.READS,
        RESULTS: Need.WRITES,
    },
    "deliver": {RESULTS: Need.READS},
    "relay": {},
    "forward": {},
    "retain": dict.fromkeys((IMAGES, MASKS, MAPS, RESULTS, REQUESTS), Need.WRITES),
    "seal": {SEAL: Need.WRITES},
    "serve": {IMAGES: Need.READS, RESULTS: Need.READS, ACCESS: Need.WRITES},
}


def all_parts() -> list[str]:
    """Every part that a role needs, in order of their names."""
    return sorted({part for needed in PARTS.values() for part in needed})


def sweep_drafts(context: Context, role: str) -> None:
    """Remove, beside the role's work, the drafts of objects that nobody will finish, where the role writes objects."""
    written = [part for part, need in PARTS[role].items() if need is Need.WRITES and part.startswith("objects/")]

    def swept() -> None:
        for part in written:
            folder = context.settings.data / part
            with suppress(OSError):  # the sweep says what is wrong
                folder.mkdir(parents=True, exist_ok=True)
            sweep(folder, context.stop.is_set)

    threading.Thread(target=swept, name="drafts", daemon=True).start()

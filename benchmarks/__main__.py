"""The list of benchmarks, and the command that runs one of them or all: `python -m benchmarks [NAME] [OPTIONS]`."""

import sys
from collections.abc import Callable, Mapping, Sequence

from benchmarks import (
    audit,
    completeness,
    crowd,
    decoding,
    deidentification,
    early,
    engines,
    flood,
    grounding,
    inference,
    ingest,
    language,
    memory,
    segmentation,
    start,
    stow,
    tls,
)

BENCHMARKS: Mapping[str, Callable[[Sequence[str]], None]] = {
    "ingest": ingest.run,
    "inference": inference.run,
    "engines": engines.run,
    "segmentation": segmentation.run,
    "memory": memory.run,
    "start": start.run,
    "completeness": completeness.run,
    "crowd": crowd.run,
    "decoding": decoding.run,
    "deidentification": deidentification.run,
    "early": early.run,
    "flood": flood.run,
    "grounding": grounding.run,
    "language": language.run,
    "tls": tls.run,
    "stow": stow.run,
    "audit": audit.run,
}


def main(arguments: Sequence[str]) -> None:
    """Run the benchmark that the first argument names, with the others as its options; all of them where none does."""
    named = bool(arguments) and not arguments[0].startswith("-")
    if named and arguments[0] not in BENCHMARKS:
        sys.exit(f"there is no benchmark {arguments[0]}; there are: {', '.join(BENCHMARKS)}")
    print(f"benchmarks: {', '.join(BENCHMARKS)}")
    for name in [arguments[0]] if named else BENCHMARKS:
        BENCHMARKS[name](arguments[1:] if named else arguments)


if __name__ == "__main__":
    main(sys.argv[1:])

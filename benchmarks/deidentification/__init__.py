"""How many planted identities are left after de-identification, and how much of what had to stay is lost.

Published, to be compared with: 97.9 to 99.9 % right actions over the teams of the MIDI-B challenge; another study
missed the text in 10 of 12,578 images. Our objects are made up: only the ways in one table can be compared.
"""

import argparse
import random
from collections.abc import Sequence

from benchmarks import table
from benchmarks.deidentification.burned import burned
from benchmarks.deidentification.planted import KINDS, planted
from benchmarks.deidentification.score import Score, look, score
from benchmarks.deidentification.ways import OURS, Way, others, ours
from dicom_node.deidentification.methods import POLICY

_BURNED = 60


def run(arguments: Sequence[str]) -> None:
    """Run it: `--seed` for other persons and places, `--quick` for a tenth of all, not kept."""
    options = _options(arguments)
    seed = random.SystemRandom().randrange(1 << 30) if options.seed is None else options.seed
    share = 0.1 if options.quick else 1.0
    found = {name: _scored(way, seed, share) for name, way in [(OURS, ours(pixels=False)), *others()]}
    look(found[OURS], ours(pixels=True), burned(random.Random(seed), round(_BURNED * share)))
    text = _section(found, seed)
    print(f"\n{text}")
    if not options.quick:
        table.keep("De-identification", text)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks deidentification")
    parser.add_argument("--seed", type=int, help="of persons and places; others each time without it")
    parser.add_argument("--quick", action="store_true", help="a tenth of all, not kept")
    return parser.parse_args(arguments)


def _scored(way: Way, seed: int, share: float) -> Score:
    """Of the other ways none looks for text in pixels: images are ours alone."""
    return score(way, planted(random.Random(seed), share))


def _section(found: dict[str, Score], seed: int) -> str:
    mine = found[OURS]
    kinds = [*KINDS, "burned in"]
    rows = [
        (name, *(f"{one.gone[kind]} of {one.planted[kind]}" if one.planted[kind] else "-" for kind in kinds),
         f"{100 * one.right:.2f} %", f"{one.to_keep - one.lost.total()} of {one.to_keep}")
        for name, one in found.items()
    ]  # fmt: skip
    images = f"Of {mine.images} images {mine.with_text} had text; in {{}} of these some can be read. "
    images += f"{mine.left_out} objects were left out."
    missed = sum(line.startswith("burned in") for line in mine.missed)
    return "\n".join(
        (
            f"Policy {POLICY}, seed {seed}: {mine.planted.total()} planted identities; by place, how many are gone.",
            "",
            table.table(("", *kinds, "right actions", "what had to stay"), rows),
            "",
            images.format(missed),
            "",
            "Missed by the node:" if mine.missed else "The node missed none.",
            "",
            *(f"- {line}" for line in mine.missed),
            *(
                ["", f"Lost: {', '.join(f'{what} {count}' for what, count in mine.lost.most_common())}."]
                if mine.lost
                else []
            ),
        )
    )

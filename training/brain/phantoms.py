"""Make phantoms in the layout of BraTS: heads with and without lesions, drawn by code.

    python -m training.brain.phantoms --out DIR --cases 160 --seed 1

The same seed and number give the same phantoms. About a second and 4 MB each.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from training.brain.anatomy import draw_head, draw_person
from training.brain.layout import Case, Facts, write_case, write_facts
from training.brain.lesions import draw_lesions, label
from training.brain.shapes import Rng, Shape, Space
from training.brain.signal import acquire, paint

SHAPE: Shape = (96, 112, 96)
SPACING_MM = 2.0
HEALTHY = 0.25


def phantom(rng: Rng, name: str, shape: Shape = SHAPE, spacing: float = SPACING_MM, healthy: float = HEALTHY) -> Case:
    """One head on a grid of `spacing` mm, without a lesion with the chance `healthy`."""
    person = draw_person(rng)
    # The base of the skull and the neck take room below: the brain lies above the middle of the picture.
    space = Space(rng, shape, spacing, (rng.uniform(0, 14), rng.uniform(-6, 6), rng.uniform(-5, 5)))
    head = draw_head(space, person)
    lesions = () if rng.random() < healthy else draw_lesions(space, head)
    brain = space.share(-head.depth - 2)
    voxels = acquire(space, paint(space, head, lesions), brain, person.vendor)
    return Case(name, voxels, label(lesions, shape), Facts(person.age, person.sex, person.vendor))


def write(folder: Path, numbers: Iterable[int], seed: int, shape: Shape = SHAPE, spacing: float = SPACING_MM) -> None:
    """Write the phantoms `numbers` of `seed`, and what is known of them, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = {}
    for number in numbers:
        case = phantom(np.random.default_rng((seed, number)), f"Phantom_{seed}_{number:05d}", shape, spacing)
        write_case(folder, case, spacing)
        facts[case.name] = case.facts
    write_facts(folder, facts)


def main() -> None:
    """Read the arguments, write the phantoms."""
    from tqdm import tqdm  # noqa: PLC0415  # an extra, which only the command needs

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    parser.add_argument("--cases", type=int, required=True, help="how many")
    parser.add_argument("--seed", type=int, required=True, help="which; another seed gives other heads")
    arguments = parser.parse_args()
    write(arguments.out, tqdm(range(arguments.cases), unit="head", mininterval=5), arguments.seed)


if __name__ == "__main__":
    main()

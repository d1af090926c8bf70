"""Volumes that one model reads together: whether a place in one is the same place in another.

Positions compare within a frame of reference alone (PS3.3 C.7.4.1): a patient who got up between two series has other
coordinates, and nothing in the voxels says so.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from domain.errors import UnusableInput
from inference_worker.registration import register
from inference_worker.volume import Volume
from models.manifest import Registration


def brought_together(volumes: Mapping[str, Volume], wanted: Registration | None) -> dict[str, Volume]:
    """The volumes, by the names of their inputs, in the frame of reference of the first.

    With `wanted` those that lie in another are moved onto the first, and say so. Raises UnusableInput where there are
    such without it, or where one agrees too little with the first. Where none of them states a frame of reference, as
    after de-identification, they count as of one; `remarks` says so.
    """
    (name, first), *others = volumes.items()
    apart = [other for other, one in others if one.frame_of_reference != first.frame_of_reference]
    if apart and wanted is None:
        raise UnusableInput(
            f"{' and '.join(apart)} lie{'s' * (len(apart) == 1)} in another frame of reference than {name}: "
            "the same place has other coordinates there, and nothing says which"
        )
    moved = {other: _moved(name, first, other, volumes[other], wanted.least) for other in apart} if wanted else {}
    return {**volumes, **moved}


def _moved(name: str, first: Volume, other: str, volume: Volume, least: float) -> Volume:
    found = register(first, volume)
    if found.agreement < least:
        raise UnusableInput(
            f"{other} lies in another frame of reference than {name} and could not be registered to it: "
            f"they agree by {found.agreement:.2f}, and {least:.2f} is the least that is believed"
        )
    said = (
        f"{other} was moved onto {name}, since it lies in another frame of reference: turned by {found.degrees:.1f} "
        f"degrees, shifted by {found.mm:.0f} mm; they agree by {found.agreement:.2f} (believed from {least:.2f} on)"
    )
    affine = found.affine @ volume.affine
    return replace(volume, affine=affine, frame_of_reference=first.frame_of_reference, moved=said)


def remarks(volumes: Mapping[str, Volume]) -> Iterator[str]:
    """What a reader of the results must know of how several volumes lie together."""
    yield from (one.moved for one in volumes.values() if one.moved)
    if len(volumes) > 1 and not any(one.frame_of_reference for one in volumes.values()):
        yield "the series state no frame of reference; they were read as lying in one"

"""Volumes that one model reads together: whether a place in one is the same place in another.

Positions compare within a frame of reference alone (PS3.3 C.7.4.1): a patient who got up between two series has other
coordinates, and nothing in the voxels says so.
"""

from collections.abc import Iterator, Mapping

from domain.errors import UnusableInput
from inference_worker.volume import Volume


def refuse_apart(volumes: Mapping[str, Volume]) -> None:
    """Raise UnusableInput where the volumes, by the names of their inputs, lie in several frames of reference.

    Where none of them states one, as after de-identification, they count as of one; `remarks` says so.
    """
    (first, one), *others = volumes.items()
    apart = [name for name, other in others if other.frame_of_reference != one.frame_of_reference]
    if apart:
        raise UnusableInput(
            f"{' and '.join(apart)} lie{'s' * (len(apart) == 1)} in another frame of reference than {first}: "
            "the same place has other coordinates there, and nothing says which"
        )


def remarks(volumes: Mapping[str, Volume]) -> Iterator[str]:
    """What a reader of the results must know of how several volumes lie together."""
    if len(volumes) > 1 and not any(one.frame_of_reference for one in volumes.values()):
        yield "the series state no frame of reference; they were read as lying in one"

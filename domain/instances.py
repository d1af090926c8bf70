"""What the index knows of each instance, gathered to what routing may know of its series.

A stranger among slices (a scout, a report, an image without a position) is left aside, whichever of them came first:
what is said of a series does not depend on the order in which its instances arrived. An instance that an earlier
release indexed lacks the facts that are None here: what is unknown speaks neither for a series nor against it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from domain.layout import Gap, Layout, Plane, crowding, lay_out, nearest_axis
from domain.routing import InstanceFacts, SeriesFacts, SliceGap

SINGLE_SLICE = "has a single slice, and a volume needs two"
_NO_PLACE = "its images state no position in the patient that can be read"
# Words of Image Type (PS3.3 C.7.6.1.1.2, C.8.16.1.4) by which an image says that it shows many slices in one.
_PROJECTIONS = frozenset({"MIP", "MINIP", "MAXIMUM", "MINIMUM", "PROJECTION", "VOLREN", "VRT", "SSD"})


def series_facts(instances: Iterable[InstanceFacts]) -> list[SeriesFacts]:
    """What routing may know of each series, gathered over all of its slices."""
    ordered = sorted(instances, key=lambda one: (one.series_id, one.sop_uid))
    return [gathered(list(group)) for _, group in groupby(ordered, key=lambda one: one.series_id)]


def gathered(instances: Sequence[InstanceFacts]) -> SeriesFacts:
    """What routing may know of the series of these instances, which are all that it has."""
    slices = _slices(instances)
    counted = slices or instances
    layout = _layout(counted)
    kernels = {one.kernel for one in counted if one.kernel}
    return SeriesFacts(
        series_id=counted[0].series_id,
        modality=" and ".join(sorted({one.modality for one in counted})),
        sop_classes=frozenset(one.sop_class for one in counted),
        body_parts=frozenset(one.body_part for one in counted),
        series_description=_commonest([one.series_description for one in counted]),
        study_description=_commonest([one.study_description for one in counted]),
        calling_aes=frozenset(one.calling_ae for one in counted if one.calling_ae),
        slices=sum(one.frames for one in counted),
        spacing_mm=layout.spacing_mm,
        views=frozenset(one.view for one in counted),
        ages=frozenset(one.age for one in counted if one.age is not None),
        image_types=frozenset(word for one in counted for word in one.image_types),
        photometric=frozenset(one.photometric for one in counted),
        contrast=any(one.contrast for one in counted),
        burned_in=any(one.burned_in for one in counted),
        series_uid=counted[0].series_uid,
        number=min((one.series_number for one in counted if one.series_number is not None), default=None),
        frame_of_reference=_frame_of_reference(counted),
        kernel="\\".join(sorted(kernels)),
        thickness_mm=max((one.thickness for one in counted if one.thickness is not None), default=None),
        orientation=layout.orientation,
        no_volume=(*_projected(counted), *layout.faults),
        missing=layout.missing,
        gap=_named(layout.gap, counted) if layout.gap else None,
        instances=tuple(instances),
        procedure_codes=frozenset(counted[0].procedure_codes),
        procedure_description=counted[0].procedure_description,
        procedure_reason=counted[0].procedure_reason,
    )


def _slices(instances: Sequence[InstanceFacts]) -> list[InstanceFacts]:
    """Those that may be slices of a volume; none where hardly any of the instances may be."""
    placed = [one for one in instances if _may_be_a_slice(one)]
    return placed if len(placed) > 1 or (placed and placed[0].frames > 1) else []


def _may_be_a_slice(one: InstanceFacts) -> bool:
    return "LOCALIZER" not in one.image_types and (one.frames > 1 or bool(one.position and one.orientation))


def _layout(counted: Sequence[InstanceFacts]) -> Layout:
    if all("LOCALIZER" in one.image_types for one in counted):
        return Layout(faults=("its images are localizers (scouts)",))
    several = [one for one in counted if one.frames > 1]
    if several:
        return _of_frames(several)
    if sum(one.frames for one in counted) < 2:
        return Layout(faults=(SINGLE_SLICE,))
    planes = [Plane(one.position, one.orientation) for one in counted if one.position and one.orientation]
    return lay_out(planes) if len(planes) == len(counted) else Layout(faults=(_NO_PLACE,))


def _named(gap: Gap, counted: Sequence[InstanceFacts]) -> SliceGap:
    """The gap between two of `counted`, by their numbers, which are known of images of this release."""
    numbers = sorted(one for at in gap.between if (one := counted[at].instance_number) is not None)
    where = f" between image {numbers[0]} and image {numbers[1]}" if len(numbers) == 2 else ""
    return SliceGap(round(gap.mm, 2), gap.missing, where)


def _of_frames(several: Sequence[InstanceFacts]) -> Layout:
    """Of multi-frame images the index knows what it counted when each came."""
    stated = [one.slice_spacing for one in several]
    known = [spacing for spacing in stated if spacing is not None]
    spacing = max(known) if len(known) == len(stated) else None
    first = next((one.orientation for one in several if one.orientation), None)
    crowded = [one for one in several if one.places is not None and 0 < one.places < one.frames]
    faults = tuple(crowding(one.frames, one.places or 0) for one in crowded[:1])
    return Layout(nearest_axis(first) if first else "", spacing, faults)


def _projected(counted: Sequence[InstanceFacts]) -> tuple[str, ...]:
    words = {word for one in counted for value in one.image_types for word in value.replace("_", " ").split()}
    return ("its images are projections, each of many slices",) if words & _PROJECTIONS else ()


def _frame_of_reference(counted: Sequence[InstanceFacts]) -> str | None:
    """The one of all; where they have several, these together, which are nobody else's."""
    known = sorted({one.frame_of_reference for one in counted if one.frame_of_reference is not None})
    return "\\".join(known) if known else None


def _commonest(values: Sequence[str]) -> str:
    """The value that most have; of several the first by name."""
    counted = Counter(values)
    return min(counted, key=lambda value: (-counted[value], value))


def by_itself(one: InstanceFacts) -> SeriesFacts:
    """An image as if it were its whole series: radiographs are held against conditions one by one."""
    return replace(gathered([one]), slices=one.frames)

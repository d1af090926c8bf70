"""Studies of mixed series as facts of the index, each with the right answer by construction; no pixels, one seed.

Around what a model is to read lie the series that a department sends with it: scouts, reports, projections, other
kernels and phases, series of several phases in one, reformats, series with gaps. Each is worse in one thing that the
model asks for, and often better in the number of its slices.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from domain.choice import Wanted
from domain.preferences import Preferences
from domain.routing import Conditions, InstanceFacts

CT, ENHANCED_CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.4"
DX, SR, CAPTURE = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.88.67", "1.2.840.10008.5.1.4.1.1.7"
AXIAL, CORONAL, SAGITTAL = (1, 0, 0, 0, 1, 0), (1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1)
ORIGINAL, REFORMATTED = "ORIGINAL\\PRIMARY\\AXIAL", "DERIVED\\SECONDARY\\REFORMATTED"

_CHEST = Conditions(modality=("CT",), sop_class=(CT, ENHANCED_CT), body_part=("CHEST", ""), min_slices=5)
_HEAD = Conditions(modality=("MR",), sop_class=(MR,), min_slices=5)
LUNG = (Wanted("ct", (_CHEST,), prefer=Preferences(kernel=("^B[1-4]",), orientation=("axial",), thickness_mm=1.0)),)
PORTAL = (Wanted("ct", (_CHEST,), prefer=Preferences(contrast=True, series_description=("portal|venous", "arterial"))),)
HEAD = (
    Wanted("t1", (replace(_HEAD, series_description="t1", not_series_description="gd"),)),
    Wanted("t1ce", (replace(_HEAD, series_description="t1.*gd"),)),
    Wanted("flair", (replace(_HEAD, series_description="flair"),)),
)
FILM = (Wanted("film", (Conditions(modality=("DX", "CR"), body_part=("CHEST",), view=("PA", "AP")),), kind="images"),)


@dataclass(frozen=True)
class Made:
    """A study: what the index knows of it, what a model wants, and what each input is to read.

    `right` holds for each input the SOP Instance UIDs, and is empty where the model is not to run; then `because` is
    what some series must be told.
    """

    kind: str
    wanted: Sequence[Wanted]
    instances: tuple[InstanceFacts, ...]
    right: Mapping[str, frozenset[str]]
    because: str = ""


Series = list[InstanceFacts]


@dataclass
class _Study:
    """A study in the making: its own numbers and UIDs."""

    random: Random
    number: int
    made: int = 0

    def uid(self, *parts: object) -> str:
        return ".".join(["1.2.826", str(self.number), *map(str, parts)])

    def series(self, slices: int, **facts: object) -> Series:
        """One series of single slices, `spacing` mm apart along the normal of `orientation`, in the study's frame."""
        self.made += 1
        spacing, orientation = facts.pop("spacing", 1.0), facts.pop("orientation", AXIAL)
        # Numbers and UIDs say nothing of what is right: they come as a scanner's protocol has it.
        number, axis = self.random.randrange(2, 900), {AXIAL: 2, CORONAL: 1, SAGITTAL: 0}[orientation]  # type: ignore[index]
        uid = self.uid(self.random.randrange(10**6), self.made)
        common: dict[str, object] = {
            "series_id": f"{self.random.getrandbits(64):016x}", "series_uid": uid, "modality": "CT", "sop_class": CT,
            "series_description": "", "study_description": "", "body_part": "CHEST", "frames": 1,
            "orientation": orientation, "slice_spacing": None, "calling_ae": "CT1", "view": "", "image_type": ORIGINAL,
            "photometric": "MONOCHROME2", "contrast": False, "burned_in": False, "age": 60.0, "series_number": number,
            "frame_of_reference": self.uid("frame"), "kernel": "B30f", "thickness": spacing,
        }  # fmt: skip
        return [
            InstanceFacts(
                **{"position": _place(axis, k * spacing), **common, **facts},  # type: ignore[operator, arg-type]
                sop_uid=f"{uid}.{k + 1}",
                instance_number=k + 1,
            )
            for k in range(slices)
        ]

    def slices(self) -> int:
        return self.random.randrange(6, 11)


def _place(axis: int, along: float) -> tuple[float, ...]:
    place = [-150.0, -150.0, -150.0]
    place[axis] += along
    return tuple(place)


def _localizer(study: _Study) -> Series:
    return study.series(study.random.choice([1, 2, 12]), orientation=CORONAL, image_type="ORIGINAL\\PRIMARY\\LOCALIZER")


def _unmarked_scout(study: _Study) -> Series:
    """Three planes through one point, as a pilot that does not say that it is one."""
    return [
        replace(one, orientation=orientation)
        for one, orientation in zip(study.series(12), (AXIAL, CORONAL, SAGITTAL) * 4, strict=True)
    ]


def _projection(study: _Study) -> Series:
    word = study.random.choice(["MIP", "CT_SOM5 MIP", "MINIP", "PROJECTION IMAGE"])
    return study.series(20, orientation=CORONAL, image_type=f"DERIVED\\SECONDARY\\MPR\\{word}")


def _dose_report(study: _Study) -> Series:
    facts = {"position": None, "orientation": None, "frame_of_reference": "", "image_type": "", "kernel": ""}
    return [replace(one, modality="SR", sop_class=SR, **facts) for one in study.series(1)]  # type: ignore[arg-type]


def _screen(study: _Study) -> Series:
    facts = {"position": None, "orientation": None, "frame_of_reference": "", "kernel": ""}
    return [replace(one, sop_class=CAPTURE, image_type="DERIVED", **facts) for one in study.series(9)]  # type: ignore[arg-type]


def _phases(study: _Study) -> Series:
    """Several volumes in one series, with the most images of all."""
    times = study.random.choice([2, 3])
    places = [one.position for one in study.series(study.slices())] * times
    return [replace(one, position=place) for one, place in zip(study.series(len(places)), places, strict=True)]


def _enhanced_phases(study: _Study) -> Series:
    (one,) = study.series(1, sop_class=ENHANCED_CT, frames=900, position=None, slice_spacing=1.0)
    return [replace(one, places=180)]


def _gapped(study: _Study) -> Series:
    whole = study.series(18)
    return whole[:7] + whole[10:]


def _tilted(study: _Study) -> Series:
    return [
        replace(one, position=(one.position[0], one.position[1] + 0.25 * k, one.position[2]))  # type: ignore[index]
        for k, one in enumerate(study.series(20))
    ]


def _reformat(study: _Study) -> Series:
    return study.series(24, spacing=0.7, orientation=CORONAL, image_type=REFORMATTED)


def _of_two_frames(study: _Study) -> Series:
    return [replace(one, frame_of_reference=study.uid("f", k // 10)) for k, one in enumerate(study.series(20))]


NO_VOLUME: Mapping[str, Callable[[_Study], Series]] = {
    "localizers": _localizer,
    "not parallel": _unmarked_scout,
    "projections": _projection,
    "SOP class": _screen,
    "4-D": _phases,
    "(4-D)": _enhanced_phases,
    "tilted": _tilted,
}
# What could be read and is worse.
WORSE = (_gapped, _reformat, _of_two_frames)


def _strangers(study: _Study, *more: Callable[[_Study], Series]) -> Series:
    kinds = [*NO_VOLUME.values(), _dose_report, *more]
    return [one for kind in study.random.sample(kinds, study.random.randrange(1, 5)) for one in kind(study)]


def _kernels(study: _Study) -> Made:
    """Equal but for the kernel, and with a thicker and a coronal one of the right kernel."""
    slices = study.slices()
    right = study.series(slices, kernel=study.random.choice(["B30f", "B31s", "B20f"]))
    lung = study.series(slices, kernel=study.random.choice(["B70f", "B60s", "LUNG"]))
    thick = study.series(slices + 8, spacing=5.0)
    others = [*lung, *thick, *study.series(slices + 9, orientation=CORONAL), *_strangers(study, *WORSE)]
    return _made("kernels", LUNG, study, others, {"ct": right})


def _contrast_phases(study: _Study) -> Made:
    slices = study.slices()
    plain = study.series(slices + 9, series_description="Abdomen nativ portal")
    arterial = study.series(slices + 5, series_description="Abdomen arterial", contrast=True)
    late = study.series(slices + 7, series_description="late 5 min", contrast=True)
    portal = study.series(slices, series_description=study.random.choice(["PORTAL ven", "Venous"]), contrast=True)
    right = arterial if study.random.random() < 0.2 else portal
    others = [*plain, *late, *(arterial if right is portal else []), *_strangers(study)]
    return _made("phases", PORTAL, study, others, {"ct": right})


def _equals(study: _Study) -> Made:
    """Nothing tells the two apart but their numbers."""
    slices = study.slices()
    first, second = study.series(slices), study.series(slices)
    numbered = [replace(one, series_number=1) for one in first], [replace(one, series_number=901) for one in second]
    return _made("equals", LUNG, study, [*numbered[1], *_strangers(study, *WORSE)], {"ct": numbered[0]})


def _strangers_within(study: _Study) -> Made:
    """A scout, a report and an image without a position lie in the very series that is right."""
    right = study.series(study.slices())
    strange = [*_localizer(study)[:1], *_dose_report(study), *_screen(study)[:1]]
    joined = [replace(one, series_id=right[0].series_id, series_uid=right[0].series_uid) for one in strange]
    return _made("strangers within", LUNG, study, _strangers(study, *WORSE), {"ct": [*right, *joined]})


def _sequences(study: _Study) -> Made:
    """Three sequences in one frame of reference; those of an earlier visit to the scanner lie in another."""
    names, slices = {"t1": "T1 sag", "t1ce": "T1 sag Gd", "flair": "FLAIR tra"}, study.slices()
    facts = {"modality": "MR", "sop_class": MR, "kernel": "", "body_part": "HEAD", "image_type": "ORIGINAL\\PRIMARY\\M"}
    right = {name: study.series(slices, series_description=said, **facts) for name, said in names.items()}
    moved = [
        one
        for said in study.random.sample(list(names.values()), study.random.randrange(1, 3))
        for one in study.series(slices + 5, series_description=said, frame_of_reference=study.uid("moved"), **facts)
    ]
    return _made("sequences", HEAD, study, [*moved, *_strangers(study)], right)


def _sequences_apart(study: _Study) -> Made:
    """One of three sequences exists in another frame of reference alone."""
    made = _sequences(study)
    lost = study.random.choice(sorted(made.right))
    apart = tuple(
        replace(one, frame_of_reference=study.uid("apart")) if one.sop_uid in made.right[lost] else one
        for one in made.instances
        if one.frame_of_reference != study.uid("moved")
    )
    return Made("sequences apart", HEAD, apart, {}, "several frames of reference")


def _films(study: _Study) -> Made:
    """Frontal and lateral views, in one series or in several: every frontal one is read, wherever it lies."""
    facts = {"modality": "DX", "sop_class": DX, "position": None, "orientation": None, "frame_of_reference": ""}
    lateral = study.random.choice(["LL", "RL", "LATERAL", ""])
    right: Series = []
    others = [*_dose_report(study), *(replace(one, view=lateral, **facts) for one in study.series(1))]  # type: ignore[arg-type]
    for _ in range(study.random.choice([1, 1, 2, 3])):
        views = [study.random.choice(["PA", "AP", lateral]) for _ in range(study.random.choice([0, 0, 1, 2]))]
        views.insert(study.random.randrange(len(views) + 1), study.random.choice(["PA", "AP"]))
        film = [replace(one, **facts) for one in study.series(len(views))]  # type: ignore[arg-type]
        for one, view in zip(film, views, strict=True):
            # Many a device gives all of its series the same number.
            same = replace(one, view=view, series_number=1 if study.number % 2 else one.series_number)
            (others if view == lateral else right).append(same)
    if study.random.random() < 0.3:
        others = [replace(one, body_part="HAND") if one.view == lateral else one for one in others]
    return _made("films", FILM, study, others, {"film": right})


def _nothing(study: _Study) -> Made:
    """Only what can never be a volume."""
    because, kind = study.random.choice(list(NO_VOLUME.items()))
    return Made("nothing to read", LUNG, (*kind(study), *_dose_report(study)), {}, because)


def _indexed_before(study: _Study) -> Made:
    """What an earlier release indexed: it kept no number, kernel or frame of reference."""
    unknown = dict.fromkeys(("series_number", "instance_number", "frame_of_reference", "kernel", "thickness", "places"))
    right = [replace(one, **unknown) for one in study.series(study.slices())]  # type: ignore[arg-type]
    strange = [*_localizer(study), *_projection(study), *_phases(study), *_dose_report(study)]
    others = [replace(one, **unknown) for one in strange]  # type: ignore[arg-type]
    return _made("indexed before", LUNG, study, others, {"ct": right})


_KINDS = (
    _kernels, _contrast_phases, _equals, _strangers_within, _sequences, _sequences_apart, _films, _nothing,
    _indexed_before,
)  # fmt: skip


def _made(kind: str, wanted: Sequence[Wanted], study: _Study, others: Series, right: Mapping[str, Series]) -> Made:
    everything = [*others, *(one for series in right.values() for one in series)]
    study.random.shuffle(everything)
    return Made(
        kind, wanted, tuple(everything), {name: frozenset(one.sop_uid for one in each) for name, each in right.items()}
    )


def studies(count: int, seed: int = 20261129) -> Iterator[Made]:
    """So many studies, each of the next kind; the same seed makes the same."""
    random = Random(seed)
    for number in range(count):
        yield _KINDS[number % len(_KINDS)](_Study(random, number))

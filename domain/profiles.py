"""Which result objects a destination gets: the kinds, the forms that each may take, and the choice among them.

Most kinds are of one run of a model; an impression is of a study, of all that its models found.

A form is a SOP class in a transfer syntax. A profile says which kinds a destination's readers want; what the
destination accepts (seen by asking it) decides in which form each goes, and every decision says why.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
DEFLATED, RLE = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.5"

SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
LABEL_MAP_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.7"
COMPREHENSIVE_3D_SR = "1.2.840.10008.5.1.4.1.1.88.34"
COMPREHENSIVE_SR = "1.2.840.10008.5.1.4.1.1.88.33"
ENHANCED_SR = "1.2.840.10008.5.1.4.1.1.88.22"
BASIC_TEXT_SR = "1.2.840.10008.5.1.4.1.1.88.11"
PARAMETRIC_MAP = "1.2.840.10008.5.1.4.1.1.30"
GRAYSCALE_SOFTCOPY_PRESENTATION_STATE = "1.2.840.10008.5.1.4.1.1.11.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
KEY_OBJECT_SELECTION = "1.2.840.10008.5.1.4.1.1.88.59"
ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"

SOP_CLASSES = {
    SEGMENTATION: "Segmentation",
    LABEL_MAP_SEGMENTATION: "Label Map Segmentation",
    COMPREHENSIVE_3D_SR: "Comprehensive 3D SR",
    COMPREHENSIVE_SR: "Comprehensive SR",
    ENHANCED_SR: "Enhanced SR",
    BASIC_TEXT_SR: "Basic Text SR",
    PARAMETRIC_MAP: "Parametric Map",
    GRAYSCALE_SOFTCOPY_PRESENTATION_STATE: "Grayscale Softcopy Presentation State",
    SECONDARY_CAPTURE: "Secondary Capture",
    KEY_OBJECT_SELECTION: "Key Object Selection",
    ENCAPSULATED_PDF: "Encapsulated PDF",
}
TRANSFER_SYNTAXES = {
    IMPLICIT: "Implicit VR Little Endian",
    EXPLICIT: "Explicit VR Little Endian",
    DEFLATED: "Deflated Explicit VR Little Endian",
    RLE: "RLE Lossless",
}


class ResultKind(StrEnum):
    """What a result object is for. A run makes those of a run that its findings give something for."""

    SEG = "SEG"  # the segments
    SR_REGIONS = "SR-REGIONS"  # what lies where, with an outline, a box or a point on an image each
    SR = "SR"  # the measurements of segments, and image-level findings where there are no segments
    SR_LIKELIHOODS = "SR-LIKELIHOODS"  # image-level findings beside segments
    PM = "PM"  # a map of numbers over the images, one object each
    GSPS = "GSPS"  # outlines and words over the images
    SC = "SC"  # a page as a picture
    KOS = "KOS"  # which images to look at first
    PDF = "PDF"  # the report as pages
    TEXT = "TEXT"  # the report as plain text
    IMPRESSION = "IMPRESSION"  # what the findings of all models come to, in sentences


OF_A_STUDY = frozenset({ResultKind.IMPRESSION})
OF_A_RUN = frozenset(ResultKind) - OF_A_STUDY

# Between the names of the forms that one form refers to.
_AND = "+"


@dataclass(frozen=True)
class ResultFormat:
    """One way to write a kind of object.

    `refers` names the forms of the objects that it refers to: a report that of its segmentation, an impression those of
    the coded reports; "" where it refers to none. What a destination gets must not point at what it does not get.

    UIDs are derived from `name`, so it is made of codes alone: a word that people are shown may change, a UID may not.
    """

    kind: ResultKind
    sop_class: str
    transfer_syntax: str = EXPLICIT
    refers: str = ""

    @property
    def name(self) -> str:
        """What tells it from every other form: kind, SOP class, transfer syntax and the name of what it refers to."""
        parts = (self.kind, self.sop_class, self.transfer_syntax, self.refers)
        return "_".join(part for part in parts if part)

    @property
    def referred(self) -> tuple[str, ...]:
        """The names in `refers`."""
        return tuple(filter(None, self.refers.split(_AND)))

    def stands_for(self, name: str) -> bool:
        """Whether it has this name, or was written in its place because there was nothing that it could refer to."""
        return name == self.name or (not self.refers and name.startswith(f"{self.name}_"))

    @property
    def context(self) -> tuple[str, str]:
        """What an association must have negotiated for it: SOP class and transfer syntax."""
        return self.sop_class, self.transfer_syntax


class Report(StrEnum):
    """The SOP classes of a coded report, by the names that a profile uses."""

    COMPREHENSIVE_3D = "comprehensive-3d"
    COMPREHENSIVE = "comprehensive"
    ENHANCED = "enhanced"
    TEXT = "text"


class Segmentation(StrEnum):
    """The SOP classes of a segmentation, by the names that a profile uses."""

    BINARY = "binary"
    LABEL_MAP = "label-map"


class TakenBack(StrEnum):
    """How a destination is told that results which it has count no more."""

    NONE = "none"  # not at all: a person takes them out there
    IOCM = "iocm"  # by a rejection note (IHE RAD TF-1, Imaging Object Change Management)


@dataclass(frozen=True)
class Profile:
    """What the readers behind a destination can show.

    `objects` are the kinds to send; "SR" stands for SR-LIKELIHOODS too. `reports` and `segmentations` are SOP classes
    in order of preference; an impression goes in those of `reports` that are for sentences, else as a page. `compress`
    prefers a compressed transfer syntax for what has pixels. `supersede` and `withdraw` say how it is told of results
    that newer ones replace, and of those that are wrong. An archive may delete what it is told is superseded, and one
    that knows no such notes shows them as documents: a site has to want that. Of what is wrong it is told unless the
    site says otherwise, for there a document is better than silence.
    """

    name: str
    objects: tuple[ResultKind, ...]
    reports: tuple[Report, ...] = tuple(Report)
    segmentations: tuple[Segmentation, ...] = (Segmentation.BINARY,)
    compress: bool = False
    supersede: TakenBack = TakenBack.NONE
    withdraw: TakenBack = TakenBack.IOCM


@dataclass(frozen=True)
class Choice:
    """What became of one kind that a profile wants: the form that is sent, None where none can be, and why."""

    kind: ResultKind
    form: ResultFormat | None
    why: str


_REPORTS = {
    Report.COMPREHENSIVE_3D: COMPREHENSIVE_3D_SR,
    Report.COMPREHENSIVE: COMPREHENSIVE_SR,
    Report.ENHANCED: ENHANCED_SR,
}
_SEGMENTATIONS = {Segmentation.BINARY: SEGMENTATION, Segmentation.LABEL_MAP: LABEL_MAP_SEGMENTATION}
# RLE has no form for single bits (PS3.5 8.2.2, annex G); a whole data set can be deflated whatever is in it.
_COMPRESSED = {
    SEGMENTATION: (DEFLATED,),
    LABEL_MAP_SEGMENTATION: (RLE, DEFLATED),
    PARAMETRIC_MAP: (DEFLATED,),
    SECONDARY_CAPTURE: (DEFLATED,),
}
_CODED = (ResultKind.SR_REGIONS, ResultKind.SR, ResultKind.SR_LIKELIHOODS)
# The SOP classes of an impression that are reports, and those that are pages, for readers who see no report.
_IMPRESSIONS = {Report.ENHANCED: ENHANCED_SR, Report.TEXT: BASIC_TEXT_SR}
_PAGES = (ENCAPSULATED_PDF, SECONDARY_CAPTURE)
# Which kinds refer to which, in the forms in which a destination gets them.
_REFERS: Mapping[ResultKind, Sequence[ResultKind]] = {
    ResultKind.SR: (ResultKind.SEG,),
    ResultKind.IMPRESSION: _CODED,
}
_ONE_CLASS: Mapping[ResultKind, str] = {
    ResultKind.PM: PARAMETRIC_MAP,
    ResultKind.GSPS: GRAYSCALE_SOFTCOPY_PRESENTATION_STATE,
    ResultKind.SC: SECONDARY_CAPTURE,
    ResultKind.KOS: KEY_OBJECT_SELECTION,
    ResultKind.PDF: ENCAPSULATED_PDF,
    ResultKind.TEXT: BASIC_TEXT_SR,
}

# What the node knows of viewers and archives; a site can write its own beside these.
BUILT_IN: Mapping[str, Profile] = {
    one.name: one
    for one in (
        # Something for every viewer: coded objects for those that read them, pictures and outlines for the rest. No
        # map, for OHIF 3.13 shows one on the wrong slices and says nothing of it.
        Profile(
            "default",
            (
                ResultKind.SEG,
                ResultKind.SR_REGIONS,
                ResultKind.SR,
                ResultKind.GSPS,
                ResultKind.SC,
                ResultKind.KOS,
                ResultKind.IMPRESSION,
            ),
        ),
        # OHIF over Orthanc: it draws SEG and outlines in an SR, and has no use for GSPS and KOS.
        Profile(
            "ohif",
            (
                ResultKind.SEG,
                ResultKind.SR_REGIONS,
                ResultKind.SR,
                ResultKind.SC,
                ResultKind.PDF,
                ResultKind.IMPRESSION,
            ),
        ),
        Profile(
            "weasis",
            (
                ResultKind.SEG,
                ResultKind.SR_REGIONS,
                ResultKind.SR,
                ResultKind.PM,
                ResultKind.GSPS,
                ResultKind.SC,
                ResultKind.KOS,
                ResultKind.PDF,
                ResultKind.IMPRESSION,
            ),
            compress=True,
        ),
        # A PACS whose viewer shows pictures, presentation states and pages alone.
        Profile(
            "classic",
            (ResultKind.GSPS, ResultKind.SC, ResultKind.KOS, ResultKind.PDF, ResultKind.IMPRESSION),
            reports=(),
        ),
        # Software that takes a report's text over.
        Profile("reporting", (ResultKind.TEXT, ResultKind.IMPRESSION), reports=(Report.TEXT,)),
    )
}


def every_form() -> tuple[ResultFormat, ...]:
    """All forms that the node can write: what a destination is asked about."""
    whole = Profile("", tuple(ResultKind), segmentations=tuple(Segmentation), compress=True)
    return tuple(form for kind in ResultKind for form in forms(kind, whole))


def forms(kind: ResultKind, profile: Profile) -> tuple[ResultFormat, ...]:
    """The forms of `kind` that the profile allows, in order of preference.

    Uncompressed, Explicit VR comes first; Implicit VR, which every peer has to support (PS3.5 section 10.1), last.
    """
    if kind is ResultKind.SEG:
        classes = [_SEGMENTATIONS[one] for one in profile.segmentations]
    elif kind in _CODED:
        classes = [_REPORTS[one] for one in profile.reports if one in _REPORTS]
    elif kind is ResultKind.IMPRESSION:
        classes = [*(_IMPRESSIONS[one] for one in profile.reports if one in _IMPRESSIONS), *_PAGES]
    else:
        classes = [_ONE_CLASS[kind]]
    return tuple(
        ResultFormat(kind, sop_class, syntax)
        for sop_class in classes
        for syntax in (*(_COMPRESSED.get(sop_class, ()) if profile.compress else ()), EXPLICIT, IMPLICIT)
    )


def choose(
    profile: Profile,
    accepted: Collection[tuple[str, str]] | None,
    written: Collection[ResultFormat] | None = None,
    of: Collection[ResultKind] = OF_A_RUN,
) -> tuple[Choice, ...]:
    """The form of each kind that the profile wants, in its order; coded reports that cannot go become plain text.

    `accepted` are the (SOP class, transfer syntax) that the destination takes, None where it never answered: then each
    kind goes in the form that is taken most widely. Only kinds in `of` are spoken of; what they refer to is chosen with
    them. With `written`, only these forms are there to choose from, and a kind that the destination would take but of
    which there is none is not spoken of: the findings gave nothing for it.
    """
    wanted = _expanded(profile.objects)
    choices: dict[ResultKind, Choice] = {}
    # What others refer to first.
    for kind in sorted(wanted, key=_depth):
        ready = written if kind in of else None
        if ready is None or kind in {form.kind for form in ready}:
            choices[kind] = _choice(kind, profile, accepted, ready, _referred(kind, choices))
        elif (choice := _choice(kind, profile, accepted)).form is None:
            choices[kind] = choice
    made = [choices[kind] for kind in wanted if kind in of and kind in choices]
    unsent = [one for one in made if one.form is None and one.kind in _CODED]
    if unsent and Report.TEXT in profile.reports and ResultKind.TEXT not in wanted:
        made.append(_instead(_choice(ResultKind.TEXT, profile, accepted, written), unsent))
    return tuple(made)


def to_write(
    profile: Profile, accepted: Collection[tuple[str, str]] | None, of: Collection[ResultKind] = OF_A_RUN
) -> frozenset[ResultFormat]:
    """The forms to write for a destination, of the kinds in `of`."""
    return frozenset(choice.form for choice in choose(profile, accepted, of=of) if choice.form)


def _expanded(objects: tuple[ResultKind, ...]) -> tuple[ResultKind, ...]:
    """Both kinds of report where "SR" stands for them, each kind once."""
    both = (kind for one in objects for kind in ((one, ResultKind.SR_LIKELIHOODS) if one is ResultKind.SR else (one,)))
    return tuple(dict.fromkeys(both))


def _depth(kind: ResultKind) -> int:
    """How many kinds have to be chosen one after the other before this one can be."""
    return max((1 + _depth(one) for one in _REFERS.get(kind, ())), default=0)


def _referred(kind: ResultKind, choices: Mapping[ResultKind, Choice]) -> str:
    """What an object of this kind refers to: the forms of those kinds that are sent with it."""
    forms = (choices[one].form for one in _REFERS.get(kind, ()) if one in choices)
    return _AND.join(form.name for form in forms if form)


def _choice(
    kind: ResultKind,
    profile: Profile,
    accepted: Collection[tuple[str, str]] | None,
    written: Collection[ResultFormat] | None = None,
    refers: str = "",
) -> Choice:
    allowed = [form if form.sop_class in _PAGES else replace(form, refers=refers) for form in forms(kind, profile)]
    if accepted is None:
        allowed.sort(key=_rareness)
    taken = [form for form in allowed if accepted is None or form.context in accepted]
    ready = [form for form in taken if written is None or form in written]
    if not ready and refers:
        return _choice(kind, profile, accepted, written)
    if not ready:
        return Choice(kind, None, f"left out: {_not_ready(allowed, taken)}")
    form = ready[0]
    if accepted is None:
        return Choice(kind, form, f"{_named(form)}; what it takes is not known yet")
    passed = allowed[: allowed.index(form)]
    return Choice(kind, form, f"{_named(form)}, {f'for {_not_ready(passed, taken)}' if passed else 'as preferred'}")


def _instead(text: Choice, unsent: Sequence[Choice]) -> Choice:
    """The choice of the plain text that stands for coded reports."""
    if text.form is None:
        return text
    kinds = " and ".join(one.kind for one in unsent)
    reason = unsent[0].why.removeprefix("left out: ")
    return replace(text, why=f"{_named(text.form)} in place of {kinds}, for {reason}")


def _rareness(form: ResultFormat) -> tuple[bool, bool]:
    """Uncompressed is taken everywhere, and label maps only by archives of recent years."""
    return form.transfer_syntax != EXPLICIT, form.sop_class == LABEL_MAP_SEGMENTATION


def _named(form: ResultFormat) -> str:
    name = SOP_CLASSES[form.sop_class]
    return name if form.transfer_syntax == EXPLICIT else f"{name} in {TRANSFER_SYNTAXES[form.transfer_syntax]}"


def _not_ready(allowed: Sequence[ResultFormat], taken: Sequence[ResultFormat]) -> str:
    """Why none of the forms that are `allowed` can go."""
    refused = [form for form in allowed if form not in taken]
    unwritten = [f"{_named(form)} was not written" for form in allowed if form in taken][:1]
    return "; ".join([_refused(refused, taken)] * bool(refused) + unwritten) or "the profile allows no form of it"


def _refused(refused: Sequence[ResultFormat], taken: Sequence[ResultFormat]) -> str:
    """What the destination does not take, in words; the transfer syntax where it takes the class in another one."""
    classes = {form.sop_class for form in taken}
    names = (
        f"{SOP_CLASSES[form.sop_class]} in {TRANSFER_SYNTAXES[form.transfer_syntax]}"
        if form.sop_class in classes
        else SOP_CLASSES[form.sop_class]
        for form in refused
    )
    return f"it takes no {', no '.join(dict.fromkeys(names))}"

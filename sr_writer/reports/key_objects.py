"""Which images to look at first (Key Object Selection Document, PS3.3 A.35.4, PS3.16 TID 2010)."""

from collections.abc import Iterator, Sequence

from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
from highdicom.sr import ContentSequence
from pydicom.dataset import Dataset

from domain.profiles import ResultFormat, ResultKind
from sr_writer.codes import concepts
from sr_writer.codes.sentences import comments
from sr_writer.codes.wording import SERIES_NUMBERS, concept, plain, series_description
from sr_writer.content import Content, Draft, KeyFrame
from sr_writer.equipment import contributing_equipment, general_equipment, observer
from sr_writer.source import Instance, Source


def drafts(content: Content, form: ResultFormat) -> Iterator[Draft]:
    """The selection; none where no image is a key image."""
    if content.key_frames:
        yield Draft(form, _document(content, form))


def _document(content: Content, form: ResultFormat) -> Dataset:
    model, stamp = content.findings.model, content.stamp
    marked = _by_instance(content)
    images = [_evidence(content.source, instance) for instance in marked]
    dataset: Dataset = KeyObjectSelectionDocument(
        evidence=images,
        content=_selection(content, images),
        series_instance_uid=stamp.uid(f"{form.name}-series"),
        series_number=SERIES_NUMBERS[form.kind],
        series_description=series_description(model, ResultKind.KOS, number=content.edition.number),
        sop_instance_uid=stamp.uid(form.name),
        instance_number=1,
        contributing_equipment=contributing_equipment(model, stamp),
        **general_equipment(model),
    )
    _name_frames(dataset, marked)
    return dataset


def _selection(content: Content, images: Sequence[Dataset]) -> KeyObjectSelection:
    """Who selected, why, and the images."""
    said = plain(_description(content))
    selection = KeyObjectSelection(concept(concepts.OF_INTEREST), images, description=said)
    (document,) = selection
    document.ContentSequence = ContentSequence([*observer(content.findings.model), *document.ContentSequence])
    return selection


def _by_instance(content: Content) -> dict[Instance, list[int]]:
    """The instances of the key images, in their order, and which frames (from 1) are meant."""
    marked: dict[Instance, list[int]] = {}
    for frame in (content.frame(one.frame) for one in content.key_frames):
        marked.setdefault(frame.instance, []).append(frame.number)
    return marked


def _evidence(source: Source, instance: Instance) -> Dataset:
    """An image as far as a reference to it needs; identity comes from the source's own bytes."""
    image = Dataset()
    image.SOPClassUID, image.SOPInstanceUID = instance.sop_class_uid, instance.sop_instance_uid
    image.StudyInstanceUID, image.SeriesInstanceUID = source.study_uid, instance.series_uid
    image.Rows, image.Columns = instance.rows, instance.columns
    image.PatientID = image.PatientName = image.PatientBirthDate = image.PatientSex = ""
    image.AccessionNumber = image.StudyID = image.StudyDate = image.StudyTime = ""
    return image


def _description(content: Content) -> str:
    reasons = (_reason(one, content) for one in content.key_frames)
    return " ".join([f"{comments(content)}.", *reasons])


def _reason(one: KeyFrame, content: Content) -> str:
    where = content.names(one.frame).capital if len(content.source.frames) > 1 else "The image"
    return f"{where}: {one.why}."


def _name_frames(dataset: Dataset, marked: dict[Instance, list[int]]) -> None:
    """Say which frames of a multi-frame instance are meant, and take the names off the images.

    The template leaves its images without a concept name, and a validator complains of one.
    """
    frames: dict[str, Sequence[int]] = {one.sop_instance_uid: marked[one] for one in marked if one.multi_frame}
    for item in dataset.ContentSequence:
        if item.ValueType == "IMAGE":
            del item.ConceptNameCodeSequence
            (reference,) = item.ReferencedSOPSequence
            if reference.ReferencedSOPInstanceUID in frames:
                reference.ReferencedFrameNumber = list(frames[reference.ReferencedSOPInstanceUID])

"""Findings as one picture of a page (Secondary Capture Image, PS3.3 A.8.1), for every viewer that shows images."""

from collections.abc import Iterator
from operator import attrgetter

from PIL import Image
from pydicom.dataset import Dataset

from dicom_node.attributes.files import opened
from dicom_node.attributes.reader import text_of
from domain.profiles import ResultFormat
from sr_writer.codes import concepts
from sr_writer.codes.sentences import comments
from sr_writer.codes.wording import concept
from sr_writer.content import Content, Draft
from sr_writer.pages.captions import elsewhere
from sr_writer.pages.documents import described
from sr_writer.pages.pictures import View, views
from sr_writer.pages.summary import page
from sr_writer.segments.segmentation import reference
from sr_writer.source import Frame


def drafts(content: Content, form: ResultFormat) -> Iterator[Draft]:
    """The page; there is one when nothing was found as well, for then it says so."""
    dataset = captured(content, form, page(content), "Key images with what was found in them, and a table")
    shown = _shown(content)
    dataset.SourceImageSequence = [_reference(frame) for frame in shown]
    if all(_is_clean(frame) for frame in shown):
        dataset.BurnedInAnnotation = "NO"  # type 3: where an image that is shown does not say, nobody knows
    for keyword, value in content.source.lossy.items():  # PS3.3 C.7.6.1.1.5: once lossy, always lossy
        setattr(dataset, keyword, value)
    yield Draft(form, dataset)


def captured(content: Content, form: ResultFormat, picture: Image.Image, how: str) -> Dataset:
    """The object that holds a picture of a page, which was made in a way that `how` tells."""
    dataset = described(content, form, "OT")
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.PatientOrientation = None  # several images in different orientations, or none
    dataset.DerivationDescription = how
    dataset.ImageComments = comments(content)
    dataset.DateOfSecondaryCapture, dataset.TimeOfSecondaryCapture = content.stamp.date, content.stamp.time
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
    dataset.Columns, dataset.Rows = picture.size
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.add_new("PixelData", "OB", picture.tobytes())
    return dataset


def _shown(content: Content) -> list[Frame]:
    """The images on the page, each once (PS3.3 C.7.6.1.1.4), in the order of the source."""
    in_order = sorted(views(content), key=attrgetter("frame"))
    return list(dict.fromkeys(_frame(content, view) for view in in_order))


def _is_clean(frame: Frame) -> bool:
    """Whether the image says that nothing in its pixels names the patient; one that says that it does is not shown."""
    header = opened(frame.instance.file, "a file of the source", ["BurnedInAnnotation"])
    return text_of(header, "BurnedInAnnotation").upper() in ("NO", "YES")


def _frame(content: Content, view: View) -> Frame:
    other = elsewhere(content, view)
    return content.frame(view.frame) if other is None else other[0].source.frames[other[1]]


def _reference(frame: Frame) -> Dataset:
    item = reference(frame.instance)
    if frame.instance.multi_frame:
        item.ReferencedFrameNumber = frame.number
    item.PurposeOfReferenceCodeSequence = [concept(concepts.SOURCE_IMAGE)]
    return item

"""Findings as pages in an object of their own (Encapsulated PDF, PS3.3 A.45.1), for sites that keep documents."""

from collections.abc import Iterator

from pydicom.dataset import Dataset

from domain.profiles import ResultFormat
from sr_writer.codes import concepts
from sr_writer.codes.wording import concept
from sr_writer.content import Content, Draft
from sr_writer.inputs import by_series
from sr_writer.pages.documents import described
from sr_writer.pages.pdf_pages import pages
from sr_writer.segments.segmentation import reference


def drafts(content: Content, form: ResultFormat) -> Iterator[Draft]:
    """The pages; there are some when nothing was found as well, for then they say so."""
    dataset = encapsulated(content, form, pages(content))
    dataset.ConceptNameCodeSequence = [concept(concepts.MEASUREMENT_REPORT)]
    yield Draft(form, dataset)


def encapsulated(content: Content, form: ResultFormat, document: bytes) -> Dataset:
    """The object that holds a PDF about these images, without the code of its title."""
    dataset = described(content, form, "DOC")  # PS3.3 C.24.1; there are viewers that fail on OT
    dataset.BurnedInAnnotation = "YES"  # its head names the patient (PS3.3 C.24.2)
    dataset.AcquisitionDateTime = None  # of several images
    dataset.DocumentTitle = dataset.SeriesDescription
    dataset.VerificationFlag = "UNVERIFIED"
    dataset.SourceInstanceSequence = [
        reference(one) for _, _, instances in by_series(content.sources) for one in instances
    ]
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocumentLength = len(document)
    dataset.EncapsulatedDocument = document + b"\0" * (len(document) % 2)
    return dataset

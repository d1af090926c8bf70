"""The items of Segment Sequence (PS3.3 C.8.20.2, C.8.20.4): what each segment is, who made it, and its colour."""

from pydicom.dataset import Dataset

from domain.findings import Code, ModelIdentity, Segment
from sr_writer.codes import concepts
from sr_writer.codes.wording import plain, short, warning
from sr_writer.encoding.colours import cielab
from sr_writer.provenance import Provenance


def tracking(segment: Segment, model: ModelIdentity, stamp: Provenance) -> tuple[str, str]:
    """The tracking identifier and its UID that tie a segment to its measurement group."""
    return short(f"{model.name}: {segment.label}"), stamp.uid(f"tracking-{segment.number}")


def segment_item(segment: Segment, model: ModelIdentity, stamp: Provenance) -> Dataset:
    """The item of a segment of the findings."""
    item = _item(segment.number, segment.label, (segment.category, segment.type), segment.colour, model)
    item.SegmentDescription = plain(f"{segment.label}. {warning(model)}")
    item.SegmentationAlgorithmIdentificationSequence = [_algorithm(model)]
    item.TrackingID, item.TrackingUID = tracking(segment, model, stamp)
    if segment.laterality:
        (kind,) = item.SegmentedPropertyTypeCodeSequence
        kind.SegmentedPropertyTypeModifierCodeSequence = [coded(segment.laterality)]
    return item


def background(model: ModelIdentity) -> Dataset:
    """The item of what is in no segment, which a label map has to describe too (PS3.3 C.8.20.2.3)."""
    return _item(0, "Background", (concepts.RELATIONAL_CONCEPT, concepts.BACKGROUND), (0, 0, 0), model)


def coded(code: Code) -> Dataset:
    """The code as an item of a code sequence (PS3.3 table 8.8-1a); its meaning in ASCII, at most 64 characters."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme, short(code.meaning)
    return item


def _item(
    number: int, label: str, kind: tuple[Code, Code], colour: tuple[int, int, int], model: ModelIdentity
) -> Dataset:
    item = Dataset()
    item.SegmentNumber, item.SegmentLabel = number, short(label)
    item.SegmentAlgorithmType, item.SegmentAlgorithmName = "AUTOMATIC", short(model.name)
    category, type_of = kind
    item.SegmentedPropertyCategoryCodeSequence = [coded(category)]
    item.SegmentedPropertyTypeCodeSequence = [coded(type_of)]
    item.RecommendedDisplayCIELabValue = cielab(colour)
    return item


def _algorithm(model: ModelIdentity) -> Dataset:
    """The model as the algorithm of a segment (PS3.3 table 10-19)."""
    item = Dataset()
    item.AlgorithmFamilyCodeSequence = [coded(concepts.ARTIFICIAL_INTELLIGENCE)]
    item.AlgorithmName, item.AlgorithmVersion = short(model.name), short(model.version)
    item.AlgorithmSource = short(model.manufacturer)
    return item

"""Which kinds of objects may leave without their persons, and which have pixels that somebody may have written in."""

from pydicom import uid
from pydicom._uid_dict import UID_dictionary

from domain.profiles import LABEL_MAP_SEGMENTATION

#: Pictures: text may be burned into their pixels.
IMAGES = frozenset({
    uid.ComputedRadiographyImageStorage, uid.DigitalXRayImageStorageForPresentation,
    uid.DigitalXRayImageStorageForProcessing, uid.DigitalMammographyXRayImageStorageForPresentation,
    uid.DigitalMammographyXRayImageStorageForProcessing, uid.BreastTomosynthesisImageStorage, uid.CTImageStorage,
    uid.EnhancedCTImageStorage, uid.LegacyConvertedEnhancedCTImageStorage, uid.MRImageStorage,
    uid.EnhancedMRImageStorage, uid.LegacyConvertedEnhancedMRImageStorage, uid.PositronEmissionTomographyImageStorage,
    uid.EnhancedPETImageStorage, uid.LegacyConvertedEnhancedPETImageStorage, uid.NuclearMedicineImageStorage,
    uid.UltrasoundImageStorage, uid.UltrasoundMultiFrameImageStorage, uid.XRayAngiographicImageStorage,
    uid.XRayRadiofluoroscopicImageStorage, uid.EnhancedXAImageStorage, uid.EnhancedXRFImageStorage,
    uid.SecondaryCaptureImageStorage, uid.MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    uid.MultiFrameGrayscaleWordSecondaryCaptureImageStorage, uid.MultiFrameTrueColorSecondaryCaptureImageStorage,
})  # fmt: skip
#: Values for each place in other images: masks and maps, which nobody writes in.
MASKS = frozenset({
    uid.SegmentationStorage, LABEL_MAP_SEGMENTATION, uid.ParametricMapStorage,
})  # fmt: skip
#: What has no pixels.
DOCUMENTS = frozenset({
    uid.BasicTextSRStorage, uid.EnhancedSRStorage, uid.ComprehensiveSRStorage, uid.Comprehensive3DSRStorage,
    uid.KeyObjectSelectionDocumentStorage,
})  # fmt: skip


def why_not(sop_class: str) -> str:
    """Why objects of this class do not leave de-identified, "" where they do."""
    if sop_class in IMAGES | MASKS | DOCUMENTS:
        return ""
    return f"{uid.UID(sop_class).name if sop_class in UID_dictionary else 'an unknown class'} is not on the list"

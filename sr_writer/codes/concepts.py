"""Every coded concept that the writer itself uses, with the context group (CID) or template (TID) that asks for it.

Sources are of PS3.16 unless they name another part. What a model found brings codes of its own (models/checks.py).
"""

from dataclasses import dataclass

from domain.findings import Code


@dataclass(frozen=True)
class Concept(Code):
    """One row: a code and where the standard asks for it."""

    source: str

    @property
    def code(self) -> Code:
        """The code alone."""
        return Code(self.value, self.scheme, self.meaning)


# Documents and their sections.
MEASUREMENT_REPORT = Concept("126000", "DCM", "Imaging Measurement Report", "CID 7021, TID 1500")
IMAGING_REPORT = Concept("18748-4", "LN", "Diagnostic Imaging Report", "CID 7000, TID 2000; PS3.3 C.24.2, CID 7020")
OF_INTEREST = Concept("113000", "DCM", "Of Interest", "CID 7010, TID 2010")
KEY_OBJECT_DESCRIPTION = Concept("113012", "DCM", "Key Object Description", "TID 2010")
RETENTION_EXPIRED = Concept("113039", "DCM", "Data Retention Policy Expired", "CID 7010, TID 2010; IHE RAD-66")
PATIENT_SAFETY = Concept("113037", "DCM", "Rejected for Patient Safety Reasons", "CID 7010, TID 2010; IHE RAD-66")
IMAGE_LIBRARY = Concept("111028", "DCM", "Image Library", "TID 1600")
IMAGE_LIBRARY_GROUP = Concept("126200", "DCM", "Image Library Group", "TID 1600")
IMAGING_MEASUREMENTS = Concept("126010", "DCM", "Imaging Measurements", "TID 1500")
QUALITATIVE_EVALUATIONS = Concept("C0034375", "UMLS", "Qualitative Evaluations", "TID 1500")

# What a document says of itself and of who made it.
LANGUAGE = Concept("en-US", "RFC5646", "English (United States)", "CID 5000, TID 1204")
PROCEDURE_REPORTED = Concept("121058", "DCM", "Procedure reported", "TID 1500")
DEVICE = Concept("121007", "DCM", "Device", "CID 270, TID 1002")
PROCESSING_EQUIPMENT = Concept("109102", "DCM", "Processing Equipment", "CID 7005, PS3.3 C.12.1")
ARTIFICIAL_INTELLIGENCE = Concept("123110", "DCM", "Artificial Intelligence", "CID 7162, TID 4019")
COMMENT = Concept("121106", "DCM", "Comment", "table D-1; TID 1500 leaves the name open")

# Procedures reported: nothing in a source names the part of the body in this code set.
CT = Concept("25045-6", "LN", "CT unspecified body region", "CID 100")
MRI = Concept("25056-3", "LN", "MRI unspecified body region", "CID 100")
PET = Concept("44136-0", "LN", "PET unspecified body region", "CID 100")
NM = Concept("49118-3", "LN", "NM unspecified body region", "CID 100")
RADIOGRAPHY = Concept("43468-8", "LN", "XR unspecified body region", "CID 100")
IMAGING_PROCEDURE = Concept("363679005", "SCT", "Imaging procedure", "CID 100")

# The images that were read.
MODALITY = Concept("121139", "DCM", "Modality", "TID 1602")
FRAME_OF_REFERENCE_UID = Concept("112227", "DCM", "Frame of Reference UID", "TID 1602")
PIXEL_DATA_ROWS = Concept("110910", "DCM", "Pixel Data Rows", "TID 1602")
PIXEL_DATA_COLUMNS = Concept("110911", "DCM", "Pixel Data Columns", "TID 1602")
HORIZONTAL_PIXEL_SPACING = Concept("111026", "DCM", "Horizontal Pixel Spacing", "TID 1603, 1604")
VERTICAL_PIXEL_SPACING = Concept("111066", "DCM", "Vertical Pixel Spacing", "TID 1603, 1604")
SPACING_BETWEEN_SLICES = Concept("112226", "DCM", "Spacing between slices", "TID 1604")
SLICE_THICKNESS = Concept("112225", "DCM", "Slice Thickness", "TID 1604")
SOURCE = Concept("260753009", "SCT", "Source", "TID 1601, which leaves the name open")

# Modalities that models read; the code is the value of Modality (PS3.3 C.7.3.1.1.1).
COMPUTED_RADIOGRAPHY = Concept("CR", "DCM", "Computed Radiography", "CID 29")
COMPUTED_TOMOGRAPHY = Concept("CT", "DCM", "Computed Tomography", "CID 29")
DIGITAL_RADIOGRAPHY = Concept("DX", "DCM", "Digital Radiography", "CID 29")
MAGNETIC_RESONANCE = Concept("MR", "DCM", "Magnetic Resonance", "CID 29")
NUCLEAR_MEDICINE = Concept("NM", "DCM", "Nuclear Medicine", "CID 29")
POSITRON_EMISSION = Concept("PT", "DCM", "Positron emission tomography", "CID 29")

# What is said of findings. Headings of plain reports are DCM codes, which readers and validators know; the LOINC codes
# that stand in their place since (59776-5, 55112-7, 55111-9) are news to many.
FINDINGS = Concept("121070", "DCM", "Findings", "CID 7001 before it had LOINC's codes, TID 2000")
FINDING = Concept("121071", "DCM", "Finding", "CID 7002, TID 2002")
IMPRESSIONS = Concept("121072", "DCM", "Impressions", "CID 7001 as Findings, TID 2000")
IMPRESSION = Concept("121073", "DCM", "Impression", "CID 7002, TID 2002")
SUMMARY = Concept("121111", "DCM", "Summary", "CID 7001 and 7002 before they had LOINC's codes, TID 2000")
PROCEDURES = Concept("121064", "DCM", "Current Procedure Descriptions", "CID 7001 as Findings")
PROCEDURE_DESCRIPTION = Concept("121065", "DCM", "Procedure Description", "CID 7002, TID 2002")
BEST_ILLUSTRATION = Concept("121080", "DCM", "Best illustration of finding", "CID 7003, TID 2001")
TRACKING_IDENTIFIER = Concept("112039", "DCM", "Tracking Identifier", "TID 1410, 1411, 1501")
TRACKING_UID = Concept("112040", "DCM", "Tracking Unique Identifier", "TID 1410, 1411, 1501")
CERTAINTY = Concept("111012", "DCM", "Certainty of Finding", "TID 4006")
PRESENCE = Concept("121052", "DCM", "Presence of property", "table D-1; TID 1501 leaves the name open")
PRESENT = Concept("52101004", "SCT", "Present", "CID 240")
AREA = Concept("42798000", "SCT", "Area", "CID 7469, 7471")

# Categories of structures: SNOMED CT's anatomical structure, and the body structure that stood for it earlier.
ANATOMICAL_STRUCTURE = Concept("91723000", "SCT", "Anatomical Structure", "CID 7150")

RELATIONAL_CONCEPT = Concept("309825002", "SCT", "Spatial and Relational Concept", "CID 7150")
BACKGROUND = Concept("125040", "DCM", "Background", "CID 7151, PS3.3 C.8.20.2")

# Parts of the body by what a source's Body Part Examined says.
ABDOMEN = Concept("818981001", "SCT", "Abdomen", "CID 4031, annex L")
BRAIN = Concept("12738006", "SCT", "Brain", "CID 4030, annex L")
CHEST = Concept("816094009", "SCT", "Chest", "CID 4031, annex L")
HEAD = Concept("69536005", "SCT", "Head", "CID 4031, annex L")
NECK = Concept("45048000", "SCT", "Neck", "CID 4031, annex L")
PELVIS = Concept("816092008", "SCT", "Pelvis", "CID 4031, annex L")

# Units.
PERCENT = Concept("%", "UCUM", "Percent", "CID 7181")
PIXELS = Concept("{pixels}", "UCUM", "Pixels", "TID 1602")
MILLIMETRE = Concept("mm", "UCUM", "millimeter", "CID 7181, 7460")
SQUARE_MILLIMETRE = Concept("mm2", "UCUM", "square millimeter", "CID 7181, 7461")

# What the numbers of a parametric map are, and what they were made from.
QUANTITY = Concept("246205007", "SCT", "Quantity", "CID 9000, PS3.3 C.7.6.16.2.11")
SOURCE_IMAGE = Concept("121322", "DCM", "Source image for image processing operation", "CID 7202")
SEGMENTATION = Concept("113076", "DCM", "Segmentation", "CID 7203")
UNSPECIFIED_CALCULATION = Concept("112187", "DCM", "Unspecified method of calculation", "CID 6140")
PROBABILITY = Concept("110854", "DCM", "Fractional Probabilistic Segmentation", "CID 7180")
CLASS_ACTIVATION = Concept("130402", "DCM", "Class activation", "CID 7180")
GRADIENT_CLASS_ACTIVATION = Concept("130403", "DCM", "Gradient-weighted class activation", "CID 7180")
SALIENCY = Concept("130404", "DCM", "Saliency", "CID 7180")
RATIO = Concept("{ratio}", "UCUM", "ratio", "CID 7181")
NO_UNITS = Concept("1", "UCUM", "no units", "CID 7181")

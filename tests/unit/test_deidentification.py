"""Objects without the persons in them: planted identities, what has to stay, and what is left out."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.sequence import Sequence as Items
from pydicom.uid import EncapsulatedPDFStorage, UltrasoundImageStorage

from benchmarks.deidentification.planted import image, planted, report
from benchmarks.deidentification.score import saved, score
from console.deidentifying import Deidentifier
from dicom_node.deidentification.pseudonyms import Pseudonyms
from dicom_node.deidentification.rescan import Identity
from dicom_node.deidentification.words import Cleaner
from domain.errors import NodeError, NotSuitable, UnusableInput
from domain.findings import Code
from inference_worker.blanking import blank
from inference_worker.burned_in import Box

KEY = b"a key of the tests, as long as a site's"
NAME, IDENT = "Quillfeather^Ottoline", "QX7731904"


def nothing(picture: NDArray[np.uint8]) -> Sequence[Box]:
    return ()


def clean(dataset: Dataset, key: bytes = KEY, find: Callable[..., Sequence[Box]] = nothing, **known: object) -> Dataset:
    by = Deidentifier(Pseudonyms(key), find, **known)  # type: ignore[arg-type]
    by.learn(saved(dataset))
    return dcmread(BytesIO(by.clean(saved(dataset))[0]))


def chest(**values: object) -> Dataset:
    made = image(random.Random(7))
    made.PatientName, made.PatientID = NAME, IDENT
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def way(part10: bytes) -> bytes | None:
    by = Deidentifier(Pseudonyms(KEY), nothing)
    by.learn(part10)
    return by.clean(part10)[0]


def test_of_planted_identities_none_is_left_but_names_that_are_words_and_all_that_had_to_stay_is_there() -> None:
    found = score(way, planted(random.Random(11), 0.2))

    assert found.planted.total() > 80
    assert not [line for line in found.missed if "a name that is a word" not in line]
    assert not found.lost


def test_what_came_of_an_object_says_by_which_method_and_options() -> None:
    made = clean(chest())

    assert (made.PatientIdentityRemoved, made.LongitudinalTemporalInformationModified) == ("YES", "MODIFIED")
    codes = {one.CodeValue for one in made.DeidentificationMethodCodeSequence}
    assert codes == {"113100", "113101", "113104", "113105", "113107"}


def test_one_patient_has_one_pseudonym_whatever_the_study_and_another_with_another_key() -> None:
    first, second = clean(chest()), clean(chest(StudyInstanceUID="1.2.3", SeriesDescription="Left knee"))

    assert first.PatientID == second.PatientID != IDENT
    assert clean(chest(), key=b"another key, as long as the first one is").PatientID != first.PatientID
    assert clean(chest(PatientID="QX7731905")).PatientID != first.PatientID


def test_days_between_two_studies_of_a_patient_stay_and_no_date_does() -> None:
    first, second = clean(chest(StudyDate="20200228")), clean(chest(StudyDate="20210301"))

    assert second.StudyDate > first.StudyDate
    days = np.datetime64(f"{second.StudyDate[:4]}-{second.StudyDate[4:6]}-{second.StudyDate[6:]}") - np.datetime64(
        f"{first.StudyDate[:4]}-{first.StudyDate[4:6]}-{first.StudyDate[6:]}"
    )
    assert days == np.timedelta64(367, "D")
    assert first.StudyDate < "20200228"


def test_a_reference_names_what_its_object_is_called_now() -> None:
    scan, said = chest(), report(random.Random(3))
    evidence, of_series, of_object = Dataset(), Dataset(), Dataset()
    evidence.StudyInstanceUID, of_series.SeriesInstanceUID = scan.StudyInstanceUID, scan.SeriesInstanceUID
    of_object.ReferencedSOPClassUID, of_object.ReferencedSOPInstanceUID = scan.SOPClassUID, scan.SOPInstanceUID
    of_series.ReferencedSOPSequence, evidence.ReferencedSeriesSequence = Items([of_object]), Items([of_series])
    said.CurrentRequestedProcedureEvidenceSequence = [evidence]

    made, now = clean(said).CurrentRequestedProcedureEvidenceSequence[0], clean(scan)

    assert made.StudyInstanceUID == now.StudyInstanceUID != scan.StudyInstanceUID
    named = made.ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert (named.ReferencedSOPClassUID, named.ReferencedSOPInstanceUID) == (scan.SOPClassUID, now.SOPInstanceUID)


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("Chest CT axial 5mm", "Chest CT axial 5mm"),
        ("Chest for Mrs Quillfeather", "Chest for *"),
        ("Spine T12 03/04/1970", "Spine T12 *"),
        ("QX7731904", ""),
        ("Lung 山田 left", "Lung * left"),
        ("white matter", "* matter"),
    ],
)
def test_a_description_keeps_words_that_are_known_and_marks_what_went(said: str, left: str) -> None:
    assert Cleaner(names=["White^Ottoline"]).text(said) == left


def test_what_a_package_calls_its_findings_stays_unless_somebody_in_the_study_is_called_so() -> None:
    assert Cleaner(["Zyxian spot"]).text("Zyxian spot") == "Zyxian spot"
    assert Cleaner(["Zyxian spot"], ["Zyxian"]).text("Zyxian spot") == "* spot"


def test_a_code_stays_by_what_it_is_and_not_by_what_it_is_said_to_mean() -> None:
    region, own = Dataset(), Dataset()
    region.CodeValue, region.CodingSchemeDesignator, region.CodeMeaning = "51185008", "SCT", NAME
    own.CodeValue, own.CodingSchemeDesignator, own.CodeMeaning = "ZX1", "99ACME", "Zyxian spot"

    made = clean(chest(AnatomicRegionSequence=[region], ProcedureCodeSequence=[own]))
    known = clean(chest(ProcedureCodeSequence=[own]), codes=[Code("ZX1", "99ACME", "Zyxian spot")])

    assert (made.AnatomicRegionSequence[0].CodeValue, made.AnatomicRegionSequence[0].CodeMeaning[0]) == (
        "51185008",
        "T",
    )
    assert "ProcedureCodeSequence" not in made
    assert known.ProcedureCodeSequence[0].CodeMeaning == "Zyxian spot"


def test_bits_above_those_that_are_stored_are_cleared_for_graphics_may_hide_there() -> None:
    made = chest(BitsStored=12, HighBit=11)
    hidden = np.frombuffer(made.PixelData, np.uint16) | 0x8000
    made.PixelData = hidden.tobytes()

    assert not np.any(np.frombuffer(clean(made).PixelData, np.uint16) & 0xF000)


def test_text_in_pixels_is_blanked_and_looked_for_again_and_a_page_of_it_is_left_out() -> None:
    made = image(random.Random(7))
    bright = np.frombuffer(made.PixelData, np.uint16).reshape(64, 64) + 100
    made.PixelData = bright.astype(np.uint16).tobytes()

    def first_time_only(picture: NDArray[np.uint8]) -> Sequence[Box]:
        return () if not picture[20:25, 20:30].any() else [(20, 25, 20, 30)]

    assert blank(made, first_time_only).regions == 1
    left = np.frombuffer(made.PixelData, np.uint16).reshape(64, 64)
    assert len(set(left[20:25, 20:30].flat)) == 1 and np.array_equal(left[40:], bright[40:])
    with pytest.raises(NotSuitable, match="a page"):
        clean(chest(), find=lambda picture: [(0, 40, 0, 64)])
    with pytest.raises(NotSuitable, match="could not be blanked"):
        clean(chest(), find=lambda picture: [(20, 25, 20, 30)])


def test_what_the_scrubber_leaves_the_second_look_finds_in_any_encoding() -> None:
    identity = Identity()
    identity.add(chest(PatientName="Ström^Ottoline"))

    assert not identity.search().finds(saved(image(random.Random(8))))
    for encoding in ("utf-8", "latin-1", "utf-16-le"):
        hidden = image(random.Random(8))
        hidden.add_new(0x0019_0010, "LO", "SOMEBODY")
        hidden.add_new(0x0019_1001, "OB", "x ström y ".encode(encoding))
        assert identity.search().finds(saved(hidden)), encoding
    in_pixels = image(random.Random(8))
    in_pixels.PixelData = in_pixels.PixelData[:-20] + b"OTTOLINE".ljust(20)
    assert identity.search().finds(saved(in_pixels))
    assert identity.search().finds(
        saved(chest(PatientName="", InstitutionName="Praxis STRÖM", SpecificCharacterSet="ISO_IR 100"))
    )


def test_a_name_in_one_object_of_a_study_is_struck_out_of_the_others() -> None:
    scan = chest(SeriesDescription="Chest Long axis", OperatorsName="")
    other = chest(OperatorsName="Long^Ottoline")
    by = Deidentifier(Pseudonyms(KEY), nothing)
    for one in (scan, other):
        by.learn(saved(one))

    made = dcmread(BytesIO(by.clean(saved(scan))[0]))

    assert made.SeriesDescription == "Chest * axis"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"SOPClassUID": EncapsulatedPDFStorage}, "Encapsulated PDF Storage is not on the list"),
        ({"SOPClassUID": "1.2.3.4"}, "an unknown class is not on the list"),
    ],
)
def test_kinds_that_are_not_on_the_list_are_left_out_with_the_reason(change: dict[str, str], reason: str) -> None:
    with pytest.raises(NotSuitable, match=reason):
        clean(chest(**change))


def test_what_is_damaged_is_left_out() -> None:
    with pytest.raises(UnusableInput):
        Deidentifier(Pseudonyms(KEY), nothing).learn(b"no DICOM")
    with pytest.raises(UnusableInput, match="cannot be decoded"):
        clean(chest(PixelData=b"\0" * 64))


def test_damage_anywhere_in_a_header_leaves_an_object_out_or_is_of_no_account_and_raises_nothing_else() -> None:
    chance, whole = random.Random(5), [saved(chest()), saved(report(random.Random(3)))]
    ended = Counter[str]()
    for _ in range(150):
        damaged = bytearray(chance.choice(whole))
        for _ in range(chance.choice([1, 3, 10])):
            damaged[chance.randrange(132, min(len(damaged), 1800))] = chance.randrange(256)
        by = Deidentifier(Pseudonyms(KEY), nothing)
        try:
            by.learn(bytes(damaged))
            by.clean(bytes(damaged))
            ended["leaves"] += 1
        except NodeError as error:
            ended[type(error).__name__] += 1

    assert ended["leaves"] > 20 and ended["UnusableInput"] > 20


def test_colour_is_blanked_in_every_sample() -> None:
    made = chest(SOPClassUID=UltrasoundImageStorage, Modality="US")
    made.file_meta.MediaStorageSOPClassUID = UltrasoundImageStorage
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PlanarConfiguration = 3, "RGB", 1
    made.BitsAllocated, made.BitsStored, made.HighBit = 8, 8, 7
    planes = np.random.default_rng(3).integers(10, 255, (3, 64, 64), np.uint8)
    made.PixelData = planes.tobytes()

    def find(picture: NDArray[np.uint8]) -> Sequence[Box]:
        return [(30, 34, 8, 40)] if np.ptp(picture[30:34, 8:40]) else ()

    left = np.frombuffer(clean(made, find=find).PixelData, np.uint8).reshape(64, 64, 3)

    assert all(np.ptp(left[30:34, 8:40, sample]) == 0 for sample in range(3))
    assert np.array_equal(left[50:], planes.transpose(1, 2, 0)[50:])

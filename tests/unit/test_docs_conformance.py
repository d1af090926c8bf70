"""The conformance pages say what the code does, their samples are what it writes, and what they name is there."""

import io
from pathlib import Path

import pydicom
import pypdf
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from tests.support import air, made_pages, samples
from tests.support.air import ROWS
from tests.support.counterparts import ROOT
from tests.support.interoperability import ASKED_BY_US, ASKED_OF_US, SHOWN, Shown
from tests.support.made_pages import PAGES, TABLES


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The samples, written anew."""
    return samples.samples(tmp_path_factory.mktemp("samples"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_holds_what_the_code_says(page: Path) -> None:
    text = page.read_text("utf-8")
    # What judges say is compared by an acceptance test, for it takes the judges.
    renewed = made_pages.renewed(text, frozenset({air.VERDICTS}))
    assert text == renewed, "run .venv/bin/python -m tests.support.made_pages"


def test_every_table_is_on_a_page_once() -> None:
    assert sorted(name for page in PAGES for name in made_pages.made(page.read_text("utf-8"))) == sorted(TABLES)


@pytest.mark.parametrize("name", samples.EVERY)
def test_a_sample_is_what_the_node_writes(name: str, made: dict[str, bytes]) -> None:
    kept, anew = ((samples.FOLDER / f"{name}.dcm").read_bytes(), made[f"{name}.dcm"])
    assert parts(kept) == parts(anew), "run .venv/bin/python -m tests.support.samples"


def parts(content: bytes) -> object:
    """The bytes; of what is compressed its content, of pages the words, since what compresses differs by machine."""
    dataset = pydicom.dcmread(io.BytesIO(content))
    if dataset.file_meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian:
        return dataset
    if "EncapsulatedDocument" not in dataset:
        return content
    pages = pypdf.PdfReader(io.BytesIO(dataset.EncapsulatedDocument)).pages
    del dataset.EncapsulatedDocument, dataset.EncapsulatedDocumentLength
    return dataset, [page.extract_text() for page in pages]


def test_the_samples_are_small_and_of_nobody() -> None:
    files = sorted(samples.FOLDER.iterdir())
    assert [file.name for file in files] == sorted(f"{name}.dcm" for name in samples.EVERY)
    assert sum(file.stat().st_size for file in files) < 650_000
    assert {str(pydicom.dcmread(file).PatientName) for file in files} == {"Phantom^Chest"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.requirement)
def test_what_a_row_names_is_there(row: air.Row) -> None:
    assert (row.met == "no") == (not row.test)
    file, _, name = row.test.partition("::")
    assert not file or f"def {name}(" in (ROOT / file).read_text("utf-8")
    assert set(row.samples) <= set(samples.FORMS)


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: shown.test.partition("::")[2])
def test_what_shows_that_others_understand_us_is_a_test_and_names_services_that_there_are(shown: Shown) -> None:
    file, _, name = shown.test.partition("::")
    assert f"def {name}(" in (ROOT / file).read_text("utf-8")
    assert set(shown.asked_of_us) <= set(ASKED_OF_US)
    assert set(shown.asked_by_us) <= set(ASKED_BY_US)


def test_every_sample_was_judged() -> None:
    assert set(air.recorded(air.PAGE.read_text("utf-8"))) == set(samples.EVERY)

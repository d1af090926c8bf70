"""Packages that ask a general model: real pictures by the real process behind its walls, asked of a scripted server."""

import base64
import hashlib
import json
import threading
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from pydicom import DataElement, Dataset, dcmread
from pydicom._dicom_dict import DicomDictionary
from pydicom.config import IGNORE

from audit.trail import newest_entries
from config.settings import LanguageModel, Settings, Summary
from consumers.leased import LeasedLoop
from consumers.steps.infer import Inference, Inferred
from domain.errors import ConfigurationError, NotSuitable
from domain.impressions import Caution
from inference_worker.asked import AskedModels
from inference_worker.burned_in import TextReader
from inference_worker.model_config import ModelProcessConfig
from inference_worker.model_process import ModelProcess, ModelProcessSettings, Task
from models.registry import Registry
from roles.health import Health
from roles.language_models import Asker
from roles.process import Context
from roles.vision import Vision, renderer
from roles.work import _models
from store.holders import Holder
from store.jobs import Job
from summary import prompt
from summary.vision import look
from tests.support.bench import Bench
from tests.support.counterparts import missing
from tests.support.provider_server import Answer, ProviderServer, fails, said, serving, slow
from tests.support.radiographs import Radiograph
from tests.support.vision_packages import write_package
from tests.support.working import ARCHIVE, LEASE, POLICY, FakeChild, job, route, study, write_and_plan

GOOD = '{"q1": 0.25, "q2": 0.75}'
IDENTITY = "ZWEIG"
# What a report of such findings says besides them.
SAID = {Caution.GENERAL_MODEL.value, "Run by small at eyes"}


class Others(FakeChild):
    """The process of all other packages."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


def pixels() -> np.ndarray[Any, np.dtype[np.uint16]]:
    """A round shadow, 12 bits."""
    rows, columns = np.mgrid[-1:1:96j, -1:1:80j]
    return np.asarray(4095 * np.exp(-2 * (rows**2 + columns**2)), np.uint16)


def lettered(text: str) -> np.ndarray[Any, np.dtype[np.uint16]]:
    """Another with text in it."""
    ink = Image.new("L", (320, 240))
    ImageDraw.Draw(ink).text((8, 8), text, fill=200, font=ImageFont.load_default(20))
    return np.asarray(ink, np.uint16) * 16


@pytest.fixture(scope="module")
def eyes(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    folder = tmp_path_factory.mktemp("packages")
    write_package(folder)
    return Registry.load(folder)


@pytest.fixture(scope="module")
def pictures(eyes: Registry) -> Iterator[ModelProcess]:
    """The process that makes pictures, warm."""
    try:
        TextReader(1)
    except ConfigurationError:
        missing("rapidocr", "make everything")
    folder = eyes.get("eyes").folder.parent
    with renderer(ModelProcessSettings(ModelProcessConfig(folder, "auto", 1, "cpu"))) as made:
        yield made


def asks(
    bench: Bench, eyes: Registry, pictures: ModelProcess, server: ProviderServer, timeout: float
) -> LeasedLoop[Job, Inferred]:
    """A worker that may show images to `server`."""
    model = LanguageModel(name="eyes", kind="openai", url=server.url, model="small", timeout=timeout)
    settings = Settings(vision_models=(model,), summary=Summary(timeout=2 * timeout))
    settings = settings.model_copy(
        update={"models": settings.models.model_copy(update={"folder": eyes.get("eyes").folder.parent})}
    )
    made = Context(settings, bench.objects, threading.Event(), Health(), trail=bench.as_process("work"))
    vision = Vision(made, Others(eyes), pictures)
    database = bench.as_process("work").database
    inference = Inference(
        database, bench.objects, vision.models, POLICY, 120, bench.root / "work", bench.clock, prepared=vision.about
    )
    return LeasedLoop(bench.as_process("work"), inference, Holder("w1", bench.life()), LEASE)


def step(bench: Bench, eyes: Registry, pictures: ModelProcess, answer: Answer, timeout: float = 60.0) -> ProviderServer:
    """One job of the study that came."""
    route(bench, eyes)
    with serving(answer) as server:
        assert asks(bench, eyes, pictures, server, timeout).step()
    assert list((bench.root / "work").iterdir()) == []
    return server


def calls(bench: Bench) -> list[tuple[str, dict[str, object]]]:
    entries = newest_entries(bench.database, 60).rows
    return [(one.action, dict(one.details)) for one in entries if one.action.startswith("language model")]


def test_what_is_answered_is_a_classifiers_finding_that_says_where_it_comes_from(
    bench: Bench, eyes: Registry, pictures: ModelProcess
) -> None:
    bench.receive([Radiograph(pixels()).dataset(), Radiograph(lettered("DOE JANE"), number=2).dataset()])
    server = step(bench, eyes, pictures, said(GOOD))
    assert job(bench)[0] == "succeeded"
    ((found,),) = bench.ask("SELECT findings FROM dicom_node.jobs")
    told = [(one["label"], one["probability"], one["threshold"], one["frame"]) for one in found["likelihoods"]]
    assert told == [("Effusion", 0.25, 0.5, 0), ("Pneumothorax", 0.75, 0.7, 0)]
    assert (found["engine"], found["maps"], found["mask"]) == ("small at eyes", [], None)
    general, left_out = found["remarks"]
    assert general == Caution.GENERAL_MODEL.value
    assert "was left out: text is burned into the image's pixels" in left_out
    # Nothing leaves that the trail has not, byte for byte.
    (body,) = server.asked
    system, (text, image) = (one["content"] for one in body["messages"])
    schema = body["response_format"]["json_schema"]["schema"]
    whole = {"system": system, "user": text["text"], "schema": schema, "picture": image["image_url"]["url"]}
    left = json.dumps(whole, sort_keys=True, separators=(",", ":")).encode()
    digest = hashlib.sha256(prompt.VERSION.encode() + b"\n" + left).hexdigest()
    before, after = calls(bench)
    assert [before[0], after[0]] == ["language model asked", "language model answered"]
    assert before[1]["payload"] == after[1]["payload"] == digest
    assert after[1]["outcome"] == "answered"
    assert bench.chain_holds()
    write_and_plan(bench, [ARCHIVE])
    ((key,),) = bench.ask("SELECT object_key FROM dicom_node.results")
    texts = {str(one.value) for one in dcmread(bench.objects.path(key)).iterall() if one.keyword == "TextValue"}
    assert SAID - texts == set(), texts


@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [
        (said("There is fluid."), "requested", "an answer that cannot be read: it is no JSON object"),
        (said('{"q1": 1.2, "q2": 0}'), "requested", "of q1 it has no likelihood from 0 to 1"),
        (said('{"q1": 0.2, "q2": 0, "q9": 1}'), "requested", "questions that were not asked"),
        (said(GOOD, reason="length"), "requested", "cut short"),
        (said("no", reason="content_filter"), "failed", "the provider's content filter refused"),
        (fails(400, "content_policy_violation"), "failed", "the provider's content filter refused"),
        (fails(429), "requested", "too many requests"),
        (fails(401, "invalid_api_key"), "requested", "the key is not accepted"),
        (slow(4), "requested", "no answer in time"),
    ],
    ids=["no JSON", "out of range", "unknown question", "cut short", "refusal", "filter", "429", "key", "time-out"],
)
def test_what_is_no_answer_ends_the_attempt_with_its_reason_and_gives_no_finding(
    answer: Answer, state: str, reason: str, bench: Bench, eyes: Registry, pictures: ModelProcess
) -> None:
    bench.receive([Radiograph(pixels()).dataset()])
    step(bench, eyes, pictures, answer, 1.0 if reason == "no answer in time" else 60.0)
    found, why = job(bench)
    assert found == state
    assert f"eyes: {reason}" in why or reason in why
    assert "Jane Doe" not in why
    assert bench.ask("SELECT findings FROM dicom_node.jobs") == [(None,)]
    assert study(bench)[0] == ("stuck" if state == "failed" else "complete")


def test_an_image_that_cannot_be_cleared_is_refused_with_its_reason_and_nobody_is_asked(
    bench: Bench, eyes: Registry, pictures: ModelProcess
) -> None:
    bench.receive([Radiograph(lettered("DOE JANE")).dataset()])
    server = step(bench, eyes, pictures, said(GOOD))
    assert server.asked == []
    assert calls(bench) == []
    state, reason = job(bench)
    assert state == "not_suitable"
    assert "text is burned into the image's pixels" in reason
    assert "DOE" not in reason
    assert study(bench)[0] == "complete"


def overlaid(dataset: Dataset) -> Dataset:
    """The same with a name in both kinds of overlay (PS3.3 C.9.2): in a plane, and in the bits above the image's."""
    ink = np.asarray(lettered(IDENTITY)[: dataset.Rows, : dataset.Columns] > 0, np.uint16)
    stored = np.frombuffer(dataset.PixelData, np.uint16).reshape(ink.shape)
    dataset.BitsStored, dataset.HighBit = 12, 11
    dataset.PixelData = (stored | (ink << 12)).tobytes()
    for group, position in ((0x6000, 0), (0x6002, 12)):
        dataset.add_new((group, 0x0010), "US", dataset.Rows)
        dataset.add_new((group, 0x0011), "US", dataset.Columns)
        dataset.add_new((group, 0x0040), "CS", "G")
        dataset.add_new((group, 0x0022), "LO", IDENTITY)
        dataset.add_new((group, 0x0050), "SS", [1, 1])
        dataset.add_new((group, 0x0100), "US", 16 if position else 1)
        dataset.add_new((group, 0x0102), "US", position)
    bits = np.packbits(ink.astype(np.uint8).ravel(), bitorder="little").tobytes()
    dataset.add_new((0x6000, 0x3000), "OW", bits + b"\0" * (len(bits) % 2))
    return dataset


# What says how pixels are to be read, or what the file is.
NEEDED = {
    "SOPClassUID", "SOPInstanceUID", "Modality", "SpecificCharacterSet", "PhotometricInterpretation",
    "BurnedInAnnotation", "TransferSyntaxUID", "VOILUTFunction", "RescaleType", "PresentationLUTShape", "ImageType",
}  # fmt: skip
TEXTS = {"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"}


def named_everywhere(dataset: Dataset) -> Dataset:
    """The same with a name in every attribute that takes a text, and a date and a UID of somebody's."""
    for tag, entry in DicomDictionary.items():
        if entry[0] in TEXTS and entry[4] not in NEEDED and tag >> 16 not in (0x0000, 0x0002, 0x0004):
            dataset.add(DataElement(tag, entry[0], f"{IDENTITY} 1961", validation_mode=IGNORE))
    dataset.PatientBirthDate, dataset.PatientAge = "19610412", "065Y"
    dataset.add_new((0x0009, 0x0010), "LO", IDENTITY)
    dataset.add_new((0x0009, 0x1001), "LT", IDENTITY)
    return dataset


def asked_about(dataset: Dataset, eyes: Registry, pictures: ModelProcess, folder: Path) -> bytes:
    """All that a provider is sent about one file."""
    file = folder / f"{dataset.SOPInstanceUID}.{len(dataset)}.dcm"
    dataset.save_as(file, enforce_file_format=True)
    with serving(said(GOOD)) as server:
        asker = Asker(Settings(), None, (LanguageModel(name="eyes", kind="openai", url=server.url, model="small"),))
        models = AskedModels(Others(eyes), pictures, lambda *asked: look(asker.chain, *asked), eyes.packages.values)
        models.run(Task("eyes", "1.0.0", {"image": [file]}, folder / "scratch"), 120)
    return json.dumps(server.asked).encode()


def picture_in(sent: bytes) -> bytes:
    (body,) = json.loads(sent)
    return base64.b64decode(body["messages"][1]["content"][1]["image_url"]["url"].partition(",")[2])


def test_nothing_leaves_but_the_pixels_as_a_viewer_shows_them_whatever_the_header_says(
    eyes: Registry, pictures: ModelProcess, tmp_path: Path
) -> None:
    plain = Radiograph(pixels()).dataset()
    plain.BitsStored, plain.HighBit = 12, 11
    named = overlaid(named_everywhere(Radiograph(pixels()).dataset()))
    named.BitsAllocated, named.PhotometricInterpretation = 16, "MONOCHROME2"
    sent = asked_about(named, eyes, pictures, tmp_path)
    assert sent == asked_about(plain, eyes, pictures, tmp_path)
    for word in (IDENTITY, "1961", "19610412", str(named.SOPInstanceUID), "2.25."):
        assert word.encode() not in sent
    picture = picture_in(sent)
    assert IDENTITY.encode() not in zlib.decompress(picture[picture.index(b"IDAT") + 4 : -16])
    with Image.open(tmp_path / "x.png" if (tmp_path / "x.png").write_bytes(picture) else "") as read:
        assert (read.mode, read.size, read.info) == ("L", (80, 96), {})
        assert np.array_equal(np.asarray(read), np.rint(pixels() / 4095 * 255))


def test_an_image_whose_header_tells_of_text_in_its_pixels_is_shown_to_nobody(
    eyes: Registry, pictures: ModelProcess, tmp_path: Path
) -> None:
    dataset = Radiograph(pixels()).dataset()
    dataset.BurnedInAnnotation = "YES"
    with pytest.raises(NotSuitable, match="Burned In Annotation"):
        asked_about(dataset, eyes, pictures, tmp_path)


def test_a_worker_has_somebody_to_ask_only_where_the_site_names_somebody(bench: Bench) -> None:
    made = Context(Settings(), bench.objects, threading.Event(), Health(), trail=bench.as_process("work"))
    process = ModelProcessSettings(ModelProcessConfig(Path("models"), "auto", 1, "cpu"))
    model = LanguageModel(name="eyes", kind="openai", url="http://127.0.0.1/v1", model="small")
    named = replace(made, settings=Settings(vision_models=(model,)))
    found = [_models(one, process)[0] for one in (made, named)]
    assert [type(one) for one in found] == [ModelProcess, AskedModels]

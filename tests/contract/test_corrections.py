"""A study sent again after a correction is recognised, is adopted as a whole, and takes the former results back."""

import json
import re
from dataclasses import replace

import pytest
from pydicom.dataset import Dataset
from typer.testing import CliRunner

from console.cli.app import app
from consumers.steps import patients as deciding
from consumers.steps import stuck
from consumers.steps.adopt import adopt
from consumers.steps.retry import intended, retry
from consumers.steps.set_aside import set_aside
from domain.errors import Permanent, UnusableInput
from domain.events import InferenceRequested, StudyStuck
from domain.records import StudyPath
from models.registry import Registry
from store import patients
from store.queries.path import study_path
from store.queries.studies import find_study
from tests.contract.test_delivering import deliver, sender
from tests.support.bench import Bench
from tests.support.ingest import send
from tests.support.phantoms import Phantom
from tests.support.working import ARCHIVE, SMALL, FakeChild, events, route, worker, write_and_plan

MERGED = replace(SMALL, patient_name="Quistgaard^Ilse", patient_id="INV-7723", birth_date="19880917")
OLD = str(SMALL.datasets()[0].StudyInstanceUID)
NEW = str(replace(SMALL, study="corrected").datasets()[0].StudyInstanceUID)
WAITS = "it is a correction of another study, whose images bear its SOP Instance UIDs: dicom-node conflicts list"
WAITS_SET_ASIDE = (
    "images of it wait that correct such as were set aside: dicom-node conflicts list, then conflicts adopt"
)


def corrected(phantom: Phantom = MERGED) -> list[Dataset]:
    """The same images of another patient in another study, under their SOP Instance UIDs."""
    datasets = replace(phantom, study="corrected").datasets()
    for one, former in zip(datasets, SMALL.datasets(), strict=True):
        one.SOPInstanceUID = former.SOPInstanceUID
    return datasets


def came(bench: Bench, datasets: list[Dataset]) -> None:
    send(bench.writer, datasets)
    bench.index()


def path(bench: Bench, uid: str) -> StudyPath:
    return study_path(bench.database, find_study(bench.database, uid))


def console(bench: Bench, url: str, *words: object) -> str:
    result = CliRunner().invoke(app, [*map(str, words), "--data", str(bench.root), "--database", url])
    assert result.exit_code == 0, result.stderr
    return without_options(result.stdout)


def without_options(said: str) -> str:
    """What was printed, its commands without where the node is, which stands behind their names."""
    return re.sub(r"\s--(data|database)\s\S+", "", said)


def number(bench: Bench) -> int:
    return int(bench.ask("SELECT min(id) FROM dicom_node.conflicts")[0][0])


def kinds(bench: Bench) -> list[str]:
    return [row[0] for row in bench.ask("SELECT kind FROM dicom_node.conflicts ORDER BY id")]


@pytest.fixture
def sent_home(bench: Bench, registry: Registry) -> Bench:
    """A study of the wrong patient whose results wait to be sent."""
    bench.receive(SMALL.datasets())
    route(bench, registry)
    worker(bench, FakeChild(registry)).step()
    write_and_plan(bench, [ARCHIVE])
    return bench


def test_a_correction_is_shown_with_both_studies_and_adopted_as_a_whole(sent_home: Bench, registry: Registry) -> None:
    bench = sent_home
    came(bench, corrected())
    assert kinds(bench) == ["other study"] * 4
    with pytest.raises(Permanent, match="still comes in"):
        adopt(bench.ledger, bench.objects, number(bench), bench.clock.now())
    bench.settle()
    new, old = path(bench, NEW), path(bench, OLD)
    assert (new.study.state, new.study.reason, new.unreadable) == ("stuck", WAITS, 0)
    assert [one.of(StudyStuck).reason_code for one in events(bench, "study.stuck")] == ["correction"]
    assert len(new.associations) == 1
    assert len(new.conflicts) == len(old.conflicts) == 4
    assert [(one.images, one.study_id, one.sent_study_id) for one in new.corrections] == [
        (4, old.study.id, new.study.id)
    ]
    assert new.corrections == old.corrections
    with pytest.raises(Permanent, match="conflicts adopt"):
        retry(bench.ledger, new.study.id, registry.packages.values(), bench.clock.now())

    adopted = adopt(bench.ledger, bench.objects, number(bench), bench.clock.now())
    assert (adopted.study, adopted.sent, len(adopted.conflicts)) == (old.study.id, new.study.id, 4)
    assert bench.ask("SELECT state FROM dicom_node.deliveries") == [("cancelled",)]
    bench.settle()
    new, old = path(bench, NEW), path(bench, OLD)
    assert (new.study.state, new.whole, old.study.state, old.whole) == ("complete", 4, "complete", 0)
    route(bench, registry)
    assert path(bench, OLD).study.reason == "its images were corrected and are another study's now"
    with pytest.raises(Permanent, match="no images any more"):
        retry(bench.ledger, old.study.id, registry.packages.values(), bench.clock.now())
    assert events(bench, "study.amended") == []
    wanted = events(bench, "inference.requested")
    assert [one.study_id for one in wanted if isinstance(one.data, InferenceRequested)] == [old.study.id, new.study.id]
    assert bench.actions().count("conflicting instance adopted") == 1
    assert bench.chain_holds()
    # The former bytes again change nothing, and the corrected ones are no conflict any more.
    came(bench, [*SMALL.datasets(), *corrected()])
    assert bench.count("conflicts") == 4
    assert bench.count("instances") == 4


def test_what_was_adopted_goes_back_as_a_whole_and_models_run_anew(sent_home: Bench, registry: Registry) -> None:
    bench = sent_home
    came(bench, corrected())
    before = bench.ask("SELECT sop_uid, digest, study_id, identity FROM dicom_node.instances ORDER BY 1")
    bench.settle()
    for _ in range(2):
        adopt(bench.ledger, bench.objects, number(bench), bench.clock.now())
        bench.settle()
    assert bench.ask("SELECT sop_uid, digest, study_id, identity FROM dicom_node.instances ORDER BY 1") == before
    assert [path(bench, one).whole for one in (OLD, NEW)] == [4, 0]
    route(bench, registry)
    assert bench.ask("SELECT state FROM dicom_node.jobs ORDER BY requested_at DESC LIMIT 1") == [("requested",)]


def test_a_merge_under_the_same_study_is_adopted_as_a_whole(sent_home: Bench, registry: Registry) -> None:
    bench = sent_home
    came(bench, MERGED.datasets())
    assert kinds(bench) == ["other patient"] * 4
    bench.settle()
    assert path(bench, OLD).study.state == "complete"
    adopt(bench.ledger, bench.objects, number(bench), bench.clock.now())
    assert bench.ask("SELECT state FROM dicom_node.deliveries") == [("cancelled",)]
    bench.settle()
    assert (path(bench, OLD).study.state, path(bench, OLD).study.revision) == ("complete", 2)
    route(bench, registry)
    assert bench.count("jobs") == 2
    assert bench.actions().count("conflicting instance adopted") == 1


@pytest.mark.parametrize("correction", [MERGED.datasets(), corrected()], ids=["same study", "another study"])
def test_results_that_a_waiting_correction_doubts_stay_until_a_person_has_decided(
    sent_home: Bench, monkeypatch: pytest.MonkeyPatch, correction: list[Dataset]
) -> None:
    came(sent_home, correction)
    assert deliver(sent_home, monkeypatch, []) == []
    assert sender(sent_home).seconds_until_due() is None
    sent_home.settle()
    set_aside(sent_home.ledger, sent_home.objects, number(sent_home), sent_home.clock.now())
    assert sender(sent_home).seconds_until_due() is not None


def test_other_bytes_of_the_same_patient_hold_no_results_back(sent_home: Bench) -> None:
    came(sent_home, replace(SMALL, series_description="mended").datasets())
    assert kinds(sent_home) == ["other bytes"] * 4
    assert sender(sent_home).seconds_until_due() is not None


def test_a_merge_of_some_images_leaves_a_study_of_two_patients_which_stops(sent_home: Bench) -> None:
    came(sent_home, MERGED.datasets()[:2])
    adopt(sent_home.ledger, sent_home.objects, number(sent_home), sent_home.clock.now())
    sent_home.settle()
    assert "name two patients" in path(sent_home, OLD).study.reason


def test_a_run_on_images_that_a_correction_takes_away_is_ended(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)

    def correct() -> None:
        came(bench, corrected())
        bench.settle()
        adopt(bench.ledger, bench.objects, number(bench), bench.clock.now())

    worker(bench, FakeChild(registry, during=correct)).step()
    assert bench.ask("SELECT state FROM dicom_node.jobs") == [("cancelled",)]
    assert events(bench, "inference.completed") == []


def test_other_bytes_of_the_same_patient_and_study_are_adopted_alone(bench: Bench) -> None:
    bench.receive(SMALL.datasets())
    mended = SMALL.datasets()[:2]
    for one in mended:
        one.SeriesDescription = "mended"
    came(bench, mended)
    assert kinds(bench) == ["other bytes"] * 2
    assert len(adopt(bench.ledger, bench.objects, number(bench), bench.clock.now()).conflicts) == 1


def mended(bench: Bench) -> None:
    """All images of a study again with another description, which is no identity."""
    datasets = SMALL.datasets()
    for one in datasets:
        one.SeriesDescription = "mended"
    came(bench, datasets)


def test_other_bytes_of_a_whole_study_are_one_line_one_decision_and_one_entry_and_go_back_as_one(
    bench: Bench, database_url: str
) -> None:
    bench.receive(SMALL.datasets())
    before = bench.ask("SELECT sop_uid, digest FROM dicom_node.instances ORDER BY 1")
    mended(bench)
    (listed,) = json.loads(console(bench, database_url, "conflicts", "list", "--json"))["conflicts"]
    assert (listed["kind"], listed["images"], listed["sop_uid"]) == ("other bytes", 4, "")
    assert len(json.loads(console(bench, database_url, "conflicts", "list", "--each", "--json"))["conflicts"]) == 4
    said = console(bench, database_url, "conflicts", "adopt", listed["id"], "--all")
    assert said.startswith("4 instances are what came at ")
    after = bench.ask("SELECT sop_uid, digest FROM dicom_node.instances ORDER BY 1")
    assert all(was != now for was, now in zip(before, after, strict=True))
    assert bench.actions().count("conflicting instance adopted") == 1
    bench.settle()
    assert path(bench, OLD).study.revision == 2
    console(bench, database_url, "conflicts", "adopt", listed["id"], "--all")
    assert bench.ask("SELECT sop_uid, digest FROM dicom_node.instances ORDER BY 1") == before
    assert bench.chain_holds()


def test_each_of_several_contents_under_one_uid_is_listed_and_can_be_decided(bench: Bench, database_url: str) -> None:
    bench.receive(SMALL.datasets())
    for words in ("first", "second", "third"):
        (again, *_) = SMALL.datasets()
        again.SeriesDescription = words
        came(bench, [again])
    found = json.loads(console(bench, database_url, "conflicts", "list", "--json"))["conflicts"]
    assert len({one["id"] for one in found}) == len({one["object_key"] for one in found}) == 3
    assert [(one["images"], one["contents"], bool(one["sop_uid"])) for one in found] == [(1, 1, True)] * 3
    came(bench, _described(SMALL.datasets()[1:2], "another image"))
    (line,) = json.loads(console(bench, database_url, "conflicts", "list", "--json"))["conflicts"]
    assert (line["images"], line["contents"]) == (2, 4)
    assert "2 (4 contents: --each)" in console(bench, database_url, "conflicts", "list")


def _described(datasets: list[Dataset], words: str) -> list[Dataset]:
    for one in datasets:
        one.SeriesDescription = words
    return datasets


def test_what_goes_back_is_what_was_adopted_by_one_decision(bench: Bench) -> None:
    bench.receive(SMALL.datasets())
    mended(bench)
    first = number(bench)
    adopt(bench.ledger, bench.objects, first, bench.clock.now())
    bench.clock.sleep(60)
    adopt(bench.ledger, bench.objects, first + 1, bench.clock.now(), whole=True)
    assert len(adopt(bench.ledger, bench.objects, first, bench.clock.now(), whole=True).conflicts) == 1


def test_other_bytes_of_a_whole_study_are_set_aside_by_one_decision(bench: Bench, database_url: str) -> None:
    bench.receive(SMALL.datasets())
    mended(bench)
    said = console(bench, database_url, "conflicts", "set-aside", number(bench), "--all")
    assert said.startswith("4 images set aside")
    assert console(bench, database_url, "conflicts", "list") == "there are none\n"


@pytest.mark.parametrize("again", [1, 4])
def test_a_study_that_failed_says_that_other_bytes_wait_and_by_which_command_they_count(
    bench: Bench, registry: Registry, database_url: str, again: int
) -> None:
    """A slice came damaged, was acknowledged, and comes as it is: good bytes wait beside those that cannot be read."""
    whole = SMALL.datasets()
    cut = SMALL.datasets()
    for one in cut[:again]:
        one.PixelData = bytes(len(one.PixelData))
    bench.receive(cut)
    route(bench, registry)
    worker(bench, FakeChild(registry, [UnusableInput("the pixels of image 1 cannot be decoded")])).step()
    ident = path(bench, OLD).study.id
    shown = [("status", ident), ("status", "--stuck", "--json"), ("explain", ident)]
    assert not any("conflicts adopt" in console(bench, database_url, *words) for words in shown)
    came(bench, whole)
    ((newest,),) = bench.ask("SELECT max(id) FROM dicom_node.conflicts")
    command = f"dicom-node conflicts adopt {newest}" + (" --all" if again > 1 else "")
    wait = f"other bytes of {again} image{'s' * (again > 1)} came and wait: {command}"
    for words in shown:
        assert wait in " ".join(console(bench, database_url, *words).split()), words
    assert wait in intended(bench.database, ident, list(registry.packages.values()))
    console(bench, database_url, *command.split()[1:])
    bench.settle()
    route(bench, registry)
    assert worker(bench, FakeChild(registry)).step()
    assert path(bench, OLD).study.state == "complete"
    assert not any("conflicts adopt" in console(bench, database_url, *words) for words in shown)


@pytest.mark.parametrize("command", [("conflicts", "adopt"), ("conflicts", "set-aside"), ("dead-letters", "replay")])
@pytest.mark.parametrize("ident", [0, 7, 2**63, 10**20])
def test_a_number_that_nothing_has_is_said_to_be_none_however_large(
    bench: Bench, database_url: str, command: tuple[str, str], ident: int
) -> None:
    words = [*command, str(ident), "--data", str(bench.root), "--database", database_url]
    result = CliRunner().invoke(app, words)
    what = command[0].removesuffix("s").replace("-", " ")
    assert result.exit_code == 1, result.output
    assert without_options(result.stderr) == f"there is no {what} {ident}: dicom-node {command[0]} list\n"


def test_an_image_under_the_uid_of_another_studys_is_set_aside_by_a_person(bench: Bench, registry: Registry) -> None:
    """A modality that gives a UID twice: what to do with it, nobody but a person knows."""
    kept, strange = SMALL.datasets(), replace(SMALL, study="another").datasets()
    strange[0].SOPInstanceUID = kept[0].SOPInstanceUID
    bench.receive([*kept, *strange])
    uid = str(strange[0].StudyInstanceUID)
    found = path(bench, uid)
    assert (found.study.reason, found.whole, len(found.conflicts)) == (WAITS, 3, 1)
    with pytest.raises(Permanent, match="conflicts set-aside"):
        retry(bench.ledger, found.study.id, registry.packages.values(), bench.clock.now())
    set_aside(bench.ledger, bench.objects, number(bench), bench.clock.now())
    bench.settle()
    found = path(bench, uid)
    assert (found.study.state, found.whole, found.unreadable, len(found.conflicts)) == ("complete", 3, 0, 0)
    assert [one.reason for one in found.quarantine] == ["its UID is another image's, by a person's decision"]
    assert path(bench, OLD).whole == 4
    assert bench.actions().count("conflicting instances set aside") == 1
    came(bench, strange[:1])
    assert path(bench, uid).study.state == "complete"


def test_a_corrected_study_that_brings_more_waits_and_is_never_run_on_the_remainder(
    bench: Bench, registry: Registry
) -> None:
    bench.receive(SMALL.datasets()[:2])
    bench.receive(corrected())
    found = path(bench, NEW)
    assert (found.study.state, found.study.reason, found.whole) == ("stuck", WAITS, 2)
    assert [one.of(StudyStuck).reason_code for one in events(bench, "study.stuck")] == ["correction"]
    assert len(events(bench, "study.completed")) == 1
    adopt(bench.ledger, bench.objects, number(bench), bench.clock.now())
    bench.settle()
    assert [(path(bench, one).study.state, path(bench, one).whole) for one in (NEW, OLD)] == [
        ("complete", 4),
        ("complete", 0),
    ]


def test_more_of_a_complete_study_that_waits_as_a_correction_stops_it_and_no_success_lets_it_go_on(
    bench: Bench, registry: Registry
) -> None:
    bench.receive(SMALL.datasets()[:2])
    bench.receive(corrected()[2:3])
    bench.receive([*corrected()[:2], *corrected()[3:]])
    new = path(bench, NEW).study
    assert (new.state, new.reason, new.revision) == ("stuck", WAITS, 1)
    with bench.ledger.transaction() as transaction:
        assert not stuck.release(transaction, new.id, "sent", bench.clock.now())
    with pytest.raises(Permanent, match="conflicts adopt"):
        retry(bench.ledger, new.id, registry.packages.values(), bench.clock.now())


def merged_with_more(bench: Bench) -> None:
    """Two images of one patient, then under the same study both and a further one of another."""
    bench.receive(SMALL.datasets()[:2])
    bench.receive(MERGED.datasets()[:3])


def keep_merged(bench: Bench) -> None:
    found = path(bench, OLD).study.id
    with bench.database.transaction() as connection:
        (right,) = [one.shown.number for one in patients.groups(connection, found) if one.shown.instances == 1]
    deciding.keep(bench.ledger, found, right, bench.clock.now())


def test_a_merge_that_brings_more_points_to_the_correction_first(bench: Bench, database_url: str) -> None:
    merged_with_more(bench)
    assert f"dicom-node conflicts adopt {number(bench) + 1}, or else" in path(bench, OLD).study.reason
    listed = console(bench, database_url, "patients", "list", path(bench, OLD).study.id)
    assert f"first: a correction of 2 images waits: dicom-node conflicts adopt {number(bench) + 1}" in listed
    adopt(bench.ledger, bench.objects, number(bench), bench.clock.now())
    bench.settle()
    assert (path(bench, OLD).study.state, path(bench, OLD).whole) == ("complete", 3)


def test_what_waits_under_uids_of_images_that_were_set_aside_is_adopted_before_any_model(bench: Bench) -> None:
    merged_with_more(bench)
    keep_merged(bench)
    bench.settle()
    assert (path(bench, OLD).study.state, path(bench, OLD).study.reason) == ("stuck", WAITS_SET_ASIDE)
    assert len(adopt(bench.ledger, bench.objects, number(bench), bench.clock.now()).conflicts) == 2
    bench.settle()
    assert (path(bench, OLD).study.state, path(bench, OLD).whole) == ("complete", 3)
    assert path(bench, OLD).conflicts == ()


def test_what_waits_is_no_conflict_once_its_bytes_are_filed(bench: Bench) -> None:
    """The wrong one of two was kept: the corrected images under their own study are sent again, and count there."""
    bench.receive(SMALL.datasets()[:2])
    stranger = corrected()[:1]
    bench.receive(stranger)
    first = number(bench)
    bench.receive(MERGED.datasets()[2:3])
    keep_merged(bench)
    came(bench, stranger)
    bench.settle()
    assert bench.ask(f"SELECT ended FROM dicom_node.conflicts WHERE id = {first}") == [("filed",)]
    assert (path(bench, NEW).study.state, path(bench, NEW).whole) == ("complete", 1)
    with pytest.raises(Permanent, match="there is no conflict"):
        adopt(bench.ledger, bench.objects, first, bench.clock.now())
    # As an earlier index left it.
    bench.ask("UPDATE dicom_node.conflicts SET ended = '' RETURNING 1")
    with pytest.raises(Permanent, match="already"):
        adopt(bench.ledger, bench.objects, first, bench.clock.now())


def test_what_was_filed_and_corrected_in_turn_goes_back(bench: Bench) -> None:
    """Bytes that waited became the instance: a further correction gives them back, and takes the former ones' place."""
    merged_with_more(bench)
    keep_merged(bench)
    came(bench, MERGED.datasets()[:2])
    third = replace(MERGED, patient_name="Third^Person", patient_id="INV-3").datasets()[:2]
    bench.receive(third)
    ((newest,),) = bench.ask("SELECT max(id) FROM dicom_node.conflicts")
    before = bench.ask("SELECT sop_uid, digest FROM dicom_node.instances ORDER BY 1")
    adopt(bench.ledger, bench.objects, newest, bench.clock.now())
    adopt(bench.ledger, bench.objects, number(bench), bench.clock.now())
    assert bench.ask("SELECT sop_uid, digest FROM dicom_node.instances ORDER BY 1") == before


def test_half_a_correction_of_a_study_is_adopted_by_a_persons_word_alone(sent_home: Bench, database_url: str) -> None:
    bench = sent_home
    bench.receive(corrected()[:2])
    with pytest.raises(Permanent, match=r"2 of 4 images .* came: send the rest first, or --part"):
        adopt(bench.ledger, bench.objects, number(bench), bench.clock.now())
    assert path(bench, OLD).whole == 4
    said = console(bench, database_url, "conflicts", "adopt", number(bench), "--part")
    assert said.splitlines()[-1] == f"study {str(path(bench, OLD).study.id)[:8]} has 2 other images"
    bench.settle()
    assert [path(bench, one).whole for one in (OLD, NEW)] == [2, 2]

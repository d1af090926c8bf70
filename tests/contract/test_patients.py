"""A study whose images name two patients stops before any model, and a person says how it goes on."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from pydicom.dataset import Dataset
from typer.testing import CliRunner

from console.cli.app import app
from consumers.steps import patients as deciding
from consumers.steps.retry import retry
from dicom_node.scu.store import Verdict
from domain.errors import Permanent
from domain.events import StudyStuck
from models.registry import Registry
from store import patients
from store.holders import Life
from store.identity_key import is_the_one
from store.queries.path import study_path
from tests.contract.test_delivering import deliver, sender
from tests.support.bench import MARKS, Bench
from tests.support.ingest import send
from tests.support.working import ARCHIVE, SMALL, FakeChild, events, route, study, study_id, worker, write_and_plan

ANOTHER = replace(SMALL, patient_name="Quistgaard^Ilse", patient_id="INV-7723", birth_date="19880917")
DIFFER = ("Patient ID", "Patient's Name", "Patient's Birth Date")


def of_two(begin: int = 2) -> list[Dataset]:
    """From image `begin` on another patient's."""
    return [*SMALL.datasets()[:begin], *ANOTHER.datasets()[begin:]]


def stopped(bench: Bench) -> tuple[str, str]:
    """State and reason of the one study, whose command can be typed as it stands."""
    asks = f"dicom-node patients list {str(study_id(bench))[:8]}"
    return "stuck", f"its images name two patients (they differ in {', '.join(DIFFER)}): {asks}"


def shown(bench: Bench) -> Sequence[tuple[int, int, tuple[str, ...]]]:
    with bench.database.transaction() as connection:
        found = patients.groups(connection, study_id(bench))
    return [(one.shown.number, one.shown.instances, one.shown.differs) for one in found]


def delivered(bench: Bench, registry: Registry) -> None:
    """A study of one patient whose results wait to be sent."""
    bench.receive(SMALL.datasets())
    route(bench, registry)
    worker(bench, FakeChild(registry)).step()
    write_and_plan(bench, [ARCHIVE])


def late(bench: Bench, count: int = 1) -> None:
    """Images of another patient come after the study was complete."""
    strange = replace(ANOTHER, slices=4 + count).datasets()[4:]
    send(bench.writer, strange)
    bench.index()


@pytest.mark.parametrize("together", [True, False])
def test_images_of_two_patients_stop_a_study_before_any_model_and_say_it_once(bench: Bench, together: bool) -> None:
    for some in [of_two()] if together else [of_two()[:2], of_two()[2:]]:
        send(bench.writer, some)
        bench.index()
    bench.settle()
    bench.settle()
    assert study(bench) == stopped(bench)
    assert [one.of(StudyStuck).reason_code for one in events(bench, "study.stuck")] == ["patient"]
    assert events(bench, "study.completed") == []
    assert bench.actions().count("study stuck") == 1
    assert bench.count("jobs") == 0


def test_images_that_say_less_or_say_it_otherwise_are_the_same_patients(bench: Bench) -> None:
    otherwise = replace(SMALL, patient_name="PHANTOM^CHEST^^^=山田^太郎", patient_id="")
    bench.receive([*SMALL.datasets()[:2], *otherwise.datasets()[2:3], *replace(SMALL, patient_name="").datasets()[3:]])
    assert study(bench)[0] == "complete"


def test_images_of_an_earlier_release_disagree_with_nobody(bench: Bench) -> None:
    send(bench.writer, of_two()[:2])
    bench.index()
    bench.ask("UPDATE dicom_node.instances SET identity = NULL RETURNING 1")
    bench.ask("UPDATE dicom_node.studies SET named = '{}' RETURNING 1")
    send(bench.writer, of_two()[2:])
    bench.index()
    bench.settle()
    assert study(bench)[0] == "complete"


def test_late_images_of_another_patient_stop_what_is_not_out_yet(
    bench: Bench, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivered(bench, registry)
    late(bench)
    # At once, and not when the study would be complete again.
    assert deliver(bench, monkeypatch, []) == []
    bench.settle()
    assert study(bench) == stopped(bench)
    assert deliver(bench, monkeypatch, []) == []
    assert sender(bench).seconds_until_due() is None
    assert bench.ask("SELECT state FROM dicom_node.deliveries") == [("pending",)]


def test_no_job_is_begun_and_no_retry_lets_two_patients_go_on(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    late(bench)
    bench.settle()
    child = FakeChild(registry)
    worker(bench, child).step()
    assert child.tasks == []
    with pytest.raises(Permanent, match="name two patients"):
        retry(bench.ledger, study_id(bench), registry.packages.values(), bench.clock.now())
    assert study(bench) == stopped(bench)


def test_each_patients_images_are_listed_without_a_name(bench: Bench) -> None:
    bench.receive(of_two(1))
    assert sorted(count for _, count, _ in shown(bench)) == [1, 3]
    assert [differs for _, _, differs in shown(bench)] == [DIFFER, DIFFER]
    with bench.database.transaction() as connection:
        told = str([one.shown for one in patients.groups(connection, study_id(bench))])
    for secret in ("Phantom", "PHANTOM-1", "Quistgaard", "INV-7723", "1988"):
        assert secret not in told


def test_a_person_keeps_one_patients_images_and_models_run_on_them(bench: Bench, registry: Registry) -> None:
    bench.receive(of_two(3))
    wrong = next(number for number, count, _ in shown(bench) if count == 1)
    right = next(number for number, count, _ in shown(bench) if count == 3)
    done = deciding.keep(bench.ledger, study_id(bench), right, bench.clock.now())
    assert (done.set_aside, done.withdrawn) == (1, 0)
    assert bench.count("instances") == 3
    bench.settle()
    assert study(bench)[0] == "complete"
    assert len(events(bench, "study.completed")) == 1
    path = study_path(bench.database, study_id(bench))
    assert [one.reason for one in path.quarantine] == [
        "it names another patient than the study, by a person's decision"
    ]
    assert path.unreadable == 0
    assert bench.actions().count("images of another patient set aside") == 1
    assert bench.chain_holds()
    with pytest.raises(Permanent, match="no image of the study disagrees"):
        deciding.keep(bench.ledger, study_id(bench), 1, bench.clock.now())
    with pytest.raises(Permanent, match=f"no group {wrong + 7}"):
        deciding.keep(bench.ledger, study_id(bench), wrong + 7, bench.clock.now())


def test_results_of_images_that_were_another_patients_are_withdrawn(bench: Bench, registry: Registry) -> None:
    delivered(bench, registry)
    late(bench, 4)
    bench.settle()
    late_ones = shown(bench)[1]
    assert deciding.keep(bench.ledger, study_id(bench), late_ones[0], bench.clock.now()).withdrawn == 1
    assert bench.ask("SELECT state FROM dicom_node.deliveries") == [("cancelled",)]


def test_results_of_the_images_that_stay_go_out_after_all(
    bench: Bench, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivered(bench, registry)
    late(bench)
    bench.settle()
    assert deciding.keep(bench.ledger, study_id(bench), 1, bench.clock.now()).withdrawn == 0
    bench.settle()
    route(bench, registry)
    assert bench.count("jobs") == 1
    assert len(deliver(bench, monkeypatch, [Verdict.STORED, Verdict.STORED])) == 2


def test_a_person_takes_two_spellings_for_one_patient_and_a_third_stops_it_again(bench: Bench) -> None:
    bench.receive([*SMALL.datasets()[:2], *replace(SMALL, patient_name="Fantom^Chest").datasets()[2:]])
    assert study(bench)[0] == "stuck"
    deciding.accept(bench.ledger, study_id(bench), bench.clock.now())
    bench.settle()
    assert study(bench)[0] == "complete"
    with pytest.raises(Permanent, match="name one patient"):
        deciding.accept(bench.ledger, study_id(bench), bench.clock.now())
    late(bench)
    bench.settle()
    assert study(bench) == stopped(bench)


def test_what_a_person_set_aside_stays_so_when_the_very_bytes_come_again(bench: Bench) -> None:
    images = of_two(3)
    bench.receive(images)
    right = next(number for number, count, _ in shown(bench) if count == 3)
    deciding.keep(bench.ledger, study_id(bench), right, bench.clock.now())
    bench.settle()
    before = bench.state()
    send(bench.writer, images)
    bench.index()
    bench.settle()
    assert (study(bench)[0], bench.count("instances"), bench.count("quarantine")) == ("complete", 3, 1)
    assert len(events(bench, "study.completed")) == 1
    assert [len(one) for one in bench.state()[1:3]] == [len(one) for one in before[1:3]]
    other = ANOTHER.datasets()[3]
    other.StationName = "other bytes"
    bench.receive([other])
    assert (study(bench), bench.count("instances")) == (stopped(bench), 4)


def test_no_key_is_forgotten_while_an_index_of_any_host_goes_on_with_it(bench: Bench, database_url: str) -> None:
    bench.receive(SMALL.datasets())
    index = Life(bench.database, reads="the spool of another host")
    index.prove()
    with bench.database.transaction() as connection:
        assert is_the_one(connection, MARKS.check_value)
    asked = ["patients", "forget-key", "--database", database_url]
    refused = CliRunner().invoke(app, asked)
    assert refused.exit_code == 1 and "stop the node on every host" in " ".join(refused.output.split())
    assert bench.count("identity_key") == 1
    assert bench.ask("SELECT count(*) FROM dicom_node.instances WHERE identity IS NULL") == [(0,)]
    index.close()
    works = Life(bench.database, ["PACS"])  # which digests nothing
    works.prove()
    bench.lives.append(works)
    assert CliRunner().invoke(app, asked).exit_code == 0
    assert bench.count("identity_key") == 0


def test_a_lost_key_is_forgotten_once_no_study_waits_for_a_person(bench: Bench) -> None:
    bench.receive(of_two())
    with pytest.raises(Permanent, match="the images of 1 studies name two"):
        deciding.forget_key(bench.ledger)
    deciding.accept(bench.ledger, study_id(bench), bench.clock.now())
    deciding.forget_key(bench.ledger)
    assert bench.ask("SELECT DISTINCT identity FROM dicom_node.instances") == [(None,)]
    assert bench.count("identity_key") == 0

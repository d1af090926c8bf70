"""A study is found by what a person knows of it, and nothing that names a patient is kept for that in clear."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from audit.actions import Action
from audit.trail import newest_entries
from console.cli.app import app
from dicom_node.spool import Peer
from store.identity_key import is_the_one
from store.patients import groups
from tests.support.bench import KEY, MARKS, Bench, open_bench
from tests.support.ingest import send
from tests.support.phantoms import Phantom
from tests.support.servers import Postgres

FIRST = Phantom(size=(8, 8), slices=2, study="1", patient_id="P-1", accession_number="A 4711")
SECOND = Phantom(size=(8, 8), slices=3, study="2", patient_id="P-2", accession_number="", study_description="MR HEAD")

PACS = json.dumps(["PACS@127.0.0.1:104"])


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Bench]:
    """Two studies of two patients by two senders, the second of MR and without an Accession Number."""
    url = postgres.url(dbname=postgres.fresh_schema())
    with open_bench(tmp_path_factory.mktemp("finding"), url) as made:
        with made.as_process("index").transaction() as transaction:
            assert is_the_one(transaction.connection, MARKS.check_value)
        for phantom, peer, modality in ((FIRST, "CT_ER", "CT"), (SECOND, "MR_2", "MR")):
            datasets = phantom.datasets()
            for one in datasets:
                one.Modality = modality
            if phantom is FIRST:
                datasets[1].AccessionNumber = "B 99"  # ordered twice, examined once
                datasets[1].SeriesInstanceUID = "1.2.3.99"
            send(made.writer, datasets, Peer(peer, "NODE", "127.0.0.1"))
        made.index()
        yield made


def run(bench: Bench, *words: str, key: str = KEY, typed: str = "") -> Result:
    url = bench.database._engine.url.render_as_string(hide_password=False)
    environment = {"DICOM_NODE_IDENTITY__KEY": key, "DICOM_NODE_DATABASE__URL": url, "DICOM_NODE_DESTINATIONS": PACS}
    return CliRunner().invoke(app, [*words, "--data", str(bench.root)], env=environment, input=typed)


def found(bench: Bench, *words: str) -> list[str]:
    """The descriptions of the studies that are found."""
    result = run(bench, "status", *words, "--json")
    assert result.exit_code == 0, result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    assert answer["more"] == 0
    return sorted(one["description"] for one in answer["studies"])


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (("--accession", " a 4711 "), ["CT CHEST"]),
        (("--accession", "4711"), []),
        (("--accession", "b 99"), ["CT CHEST"]),
        (("--patient-id", "P-2"), ["MR HEAD"]),
        (("--patient-id", "P-1", "--accession", "A 4711"), ["CT CHEST"]),
        (("--patient-id", "P-2", "--accession", "A 4711"), []),
        (("--modality", "mr"), ["MR HEAD"]),
        (("--sender", "CT_ER"), ["CT CHEST"]),
        (("--state", "receiving"), ["CT CHEST", "MR HEAD"]),
        (("--state", "complete", "--state", "stuck"), []),
        (("--since", "1h"), ["CT CHEST", "MR HEAD"]),
        (("--until", "1h"), []),
        (("--since", "2026-01-01", "--until", "2026-01-02 14:00"), []),
    ],
    ids=" ".join,
)
def test_a_study_is_found_by_what_a_person_knows_of_it(bench: Bench, asked: Any, expected: list[str]) -> None:
    assert found(bench, *asked) == expected


def test_a_number_may_be_typed_where_nobody_else_sees_it(bench: Bench) -> None:
    result = run(bench, "status", "--patient-id", "-", "--json", typed="P-2\n")
    assert [one["description"] for one in json.loads(result.stdout)["studies"]] == ["MR HEAD"]


def test_no_number_of_a_patient_is_anywhere_in_the_database(bench: Bench) -> None:
    tables = [row[0] for row in bench.ask("SELECT tablename FROM pg_tables WHERE schemaname = 'dicom_node'")]
    kept = "\n".join(str(row) for name in tables for row in bench.ask(f"SELECT t::text FROM dicom_node.{name} t"))
    assert "CT CHEST" in kept
    assert [word for word in ("4711", "B 99", "P-1", "P-2") if word in kept] == []


def test_two_accession_numbers_in_one_study_are_not_two_patients(bench: Bench) -> None:
    ((two,),) = bench.ask("SELECT bool_or(two_patients) FROM dicom_node.studies")
    assert not two
    ((study,),) = bench.ask("SELECT id FROM dicom_node.studies WHERE array_to_string(named, ' ') LIKE '%Accession%'")
    with bench.database.transaction() as connection:
        (group,) = groups(connection, study)
    assert group.shown.instances == 2


def test_a_search_by_another_key_says_so_instead_of_finding_nothing(bench: Bench) -> None:
    said = run(bench, "status", "--accession", "A 4711", key="another key that is long enough for one")
    assert said.exit_code == 1
    assert "made with another key" in said.stderr


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--since", "yesterday"), "how long ago (90min, 12h, 3d)"),
        (("abc", "--sender", "CT_ER"), "STUDY names one study"),
        (("--watch", "--json"), "--watch is for people"),
        (("--state", "lost"), "receiving"),
        (("--destination", "PACX"), "there is no destination 'PACX'; known are PACS; did you mean PACS?"),
        (("--sender", "CTER", "--modality", "CT"), "known are CT_ER, MR_2; did you mean CT_ER?"),
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_said(bench: Bench, words: Any, complaint: str) -> None:
    said = run(bench, "status", *words)
    assert said.exit_code in (1, 2)
    assert complaint in said.stderr


def test_a_name_that_is_known_and_has_no_study_and_a_number_that_is_none_are_no_more_than_not_found(
    bench: Bench,
) -> None:
    for asked in (("--destination", "PACS"), ("--sender", "CT_ER", "--modality", "XA"), ("--patient-id", "P-9")):
        assert run(bench, "status", *asked).stdout.splitlines()[0].strip() == "no such study"


def test_what_an_earlier_release_indexed_is_found_after_it_was_read_again(bench: Bench) -> None:
    kept = bench.ask("SELECT id, named FROM dicom_node.studies ORDER BY id")
    bench.as_owner("UPDATE dicom_node.studies SET named = '{}'")
    try:
        assert found(bench, "--accession", "A 4711") == found(bench, "--patient-id", "P-2") == []
        for asked in (("--accession", "A 4711"), ("--patient-id", "P-1")):
            assert "patients catch-up" in run(bench, "status", *asked).stdout
        done = json.loads(run(bench, "patients", "catch-up", "--json").stdout)
        assert done == {"studies": 2, "found": 2, "unreadable": 0}
        assert found(bench, "--accession", "A 4711") == ["CT CHEST"]
        assert found(bench, "--patient-id", "P-2") == ["MR HEAD"]
        assert bench.ask("SELECT id, named FROM dicom_node.studies ORDER BY id") == kept
        bench.as_owner(
            "UPDATE dicom_node.studies SET named = ARRAY(SELECT m FROM unnest(named) m WHERE NOT m ^@ 'Study Date:')"
        )
        assert json.loads(run(bench, "patients", "catch-up", "--json").stdout)["found"] == 2, "days are found too"
        again = run(bench, "patients", "catch-up").stdout
        assert again == "0 of 1 study can be found by more than before\n"
        actions = [one.action for one in newest_entries(bench.database, 100).rows]
        assert actions.count(Action.CAUGHT_UP) == 4
    finally:
        bench.as_owner(*(_put_back(*one) for one in kept))


def _put_back(study: object, named: list[str]) -> str:
    marks = ", ".join("'" + one.replace("'", "''") + "'" for one in named)
    return f"UPDATE dicom_node.studies SET named = ARRAY[{marks}] WHERE id = '{study}'"


def entries(bench: Bench, *words: str) -> list[str]:
    """What the entries say that are found."""
    shown = run(bench, "audit", "show", *words, "--json")
    assert shown.exit_code == 0, shown.output
    return [one["action"] for one in json.loads(shown.stdout)["entries"]]


def test_an_entry_is_found_by_what_it_says_by_whom_and_when(bench: Bench) -> None:
    bench.ledger.record(Action.DESCRIPTIONS_CLEARED, user="Alice (uid 1000)")
    bench.ledger.record(Action.STARTED)
    assert entries(bench, "--action", "instances received") == ["instances received"] * 2
    assert entries(bench, "--by", "alice") == ["descriptions cleared"]
    assert entries(bench, "--by", "alice", "--action", "started") == []
    quoted = {"reason": '"at":"9999-01-01', "user": 'Zoë "the \\ 2nd"'}
    bench.ledger.record(Action.DESCRIPTIONS_CLEARED, **quoted)
    assert entries(bench, "--by", 'ZOË "THE \\') == ["descriptions cleared"]
    assert entries(bench, "--since", "2999-01-01") == []
    assert set(entries(bench, "--by", "test", "--action", "started")) == {"started"}
    ((study,),) = bench.ask("SELECT id FROM dicom_node.studies WHERE array_to_string(named, ' ') LIKE '%Accession%'")
    assert entries(bench, "--study", str(study), "--action", "instances received") == ["instances received"]
    at = bench.clock.now().isoformat()
    assert entries(bench, "--until", at, "--action", "descriptions") == []
    assert entries(bench, "--since", at, "--action", "descriptions") == ["descriptions cleared"] * 2
    assert entries(bench, "--last", "1", "--action", "instances") == ["instances received"]
    last = json.loads(run(bench, "audit", "show", "--action", "audit log", "--json").stdout)["entries"][-1]
    assert last["details"]["what"] == "entries that say 'instances'"
    assert "no entry says 'delivred'" in run(bench, "audit", "show", "--action", "delivred").stderr

"""A whole run with patients whose names nobody else has: what leaves their room says nothing about them."""

import subprocess
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition
from pydicom import Dataset

from dicom_node.scu.store import Outgoing
from store.tables import metadata
from tests.support import counterparts
from tests.support.node import Node
from tests.support.phantoms import JAPANESE, Phantom
from tests.support.privacy_page import left_out_by
from tests.support.senders import acknowledged, instance, paced
from tests.support.servers import KafkaBroker, Orthanc
from tests.support.trial import QUICK, Trial, small

pytestmark = pytest.mark.slow

NAME, ID, BIRTH, ACCESSION = "Quuxworth^Ybbsalbert=山田^太郎", "PX-77182-ZK", "19010203", "ACCXQ90817"
# A date that is none: a program that quotes what it cannot read would quote it.
WRONG_BIRTH = "1901Q203"

# Whatever way it is written: in JSON with or without escapes, in UTF-8, in the bytes of ISO 2022 IR 87.
IDENTITY = (
    *(b"quuxworth", b"ybbsalbert", b"px-77182", b"accxq", b"19010203", b"1901-02-03", b"1901q203"),
    *("山田".encode(), "太郎".encode(), rb"\u5c71\u7530", rb"\u592a\u90ce", "山田".encode("iso2022_jp")[3:7].lower()),
)


def patient(study: str) -> Phantom:
    """A study that names its patient wherever people write names."""
    return small(
        study,
        patient_name=NAME,
        charset=JAPANESE,
        patient_id=ID,
        birth_date=BIRTH,
        accession_number=ACCESSION,
        study_description="CT CHEST Quuxworth",
        series_description="Ybbsalbert thin",
    )


@pytest.fixture(scope="module")
def trial(
    tmp_path_factory: pytest.TempPathFactory, thresholds: Path, archive: Orthanc, broker: KafkaBroker
) -> Iterator[Trial]:
    data = tmp_path_factory.mktemp("privacy") / "node"
    talkative = {**QUICK, "DICOM_NODE_LOGGING__LEVEL": "DEBUG"}
    node = Node(data, destinations=[archive.destination], kafka=broker.bootstrap, models=thresholds, env=talkative)
    with node:
        yield Trial(node, archive)


@pytest.fixture(scope="module")
def said(trial: Trial, broker: KafkaBroker) -> Mapping[str, bytes]:
    """Everything that the node said of patients who fared well, failed, conflicted and were refused; by where."""
    well, odd, failed, uneven = (patient(f"privacy {fate}") for fate in ("well", "odd", "failed", "uneven"))
    _send(trial, [instance(one) for one in well.datasets()])
    _send(trial, [_with_wrong_date(instance(one)) for one in odd.datasets()])
    _send(trial, [instance(one, cut=-500) for one in failed.datasets()])
    _send(trial, [instance(one) for one in (*uneven.datasets()[:8], *uneven.datasets()[10:])])
    _send(trial, [instance(_changed(well.datasets()[0]))])
    _send(trial, [instance(one, cut=300) for one in patient("privacy cut").datasets()[:2]])
    _send(trial, [instance(_verbose(one)) for one in patient("privacy verbose").datasets()])
    assert acknowledged(paced(trial.node, [_misnamed(instance(odd.datasets()[0]))])) == []
    _call_somebody_else(trial.node)
    trial.await_home(well.uid("study"))
    trial.await_home(odd.uid("study"))
    trial.wait_for(lambda: trial.study(failed.uid("study")).get("state") == "stuck", "the damaged study to be stuck")
    trial.await_rest()
    for phantom in (well, failed, uneven):
        trial.status(phantom.uid("study"))
        trial.node.cli("explain", phantom.uid("study"))
    return {
        "outbox": _joined(trial, "SELECT key, envelope FROM outbox"),
        "topics": _topics(broker),
        "logs": trial.node.log.read_bytes(),
        "server": b"".join(path.read_bytes() for path in trial.node.data.glob("database*/**/log") if path.is_file()),
        "figures": "".join(
            trial.node.get(role, door) for role in trial.node.roles for door in ("/metrics", "/health/ready")
        ).encode(),
        "audit": _joined(trial, "SELECT entry FROM audit_entries"),
        "reasons": _joined(trial, "SELECT reason FROM studies UNION ALL SELECT reason FROM jobs")
        + _joined(trial, "SELECT reason FROM deliveries UNION ALL SELECT error FROM dead_letters")
        + _joined(trial, "SELECT reason FROM decisions UNION ALL SELECT reason FROM quarantine"),
    }


def test_the_results_do_name_the_patient(trial: Trial, said: Mapping[str, bytes]) -> None:
    """Or else the search below would prove nothing."""
    assert said
    uids = {patient("privacy well").uid("study"), patient("privacy odd").uid("study")}
    for uid in uids:
        assert {(str(one.PatientName), one.PatientID) for one in trial.results(uid)} == {(NAME, ID)}


def test_events_of_a_whole_run_say_no_name_id_birth_date_or_accession_number(said: Mapping[str, bytes]) -> None:
    for where in ("outbox", "topics"):
        assert b"results.delivered" in said[where]
        assert b"inference.failed" in said[where]
        assert _found(said[where]) == []


def test_logs_of_a_whole_run_say_no_name_id_birth_date_or_accession_number(said: Mapping[str, bytes]) -> None:
    for role in (b"listen", b"index", b"assemble", b"relay", b"work", b"write", b"deliver"):
        assert b'"role": "%s"' % role in said["logs"]
    assert _found(said["logs"]) == []


def test_the_database_servers_log_of_a_whole_run_says_nothing_of_a_patient(said: Mapping[str, bytes]) -> None:
    assert b"database system is ready" in said["server"]
    assert _found(said["server"]) == []


def test_figures_of_a_whole_run_say_no_name_id_birth_date_or_accession_number(said: Mapping[str, bytes]) -> None:
    assert b"dicom_node_inference_seconds" in said["figures"]
    assert _found(said["figures"]) == []


def test_the_trail_of_a_whole_run_says_no_name_id_birth_date_or_accession_number(said: Mapping[str, bytes]) -> None:
    for action in (b"results delivered", b"inference failed", b"association refused", b"instance quarantined"):
        assert action in said["audit"]
    assert _found(said["audit"]) == []


def test_reasons_of_a_whole_run_say_no_name_id_birth_date_or_accession_number(said: Mapping[str, bytes]) -> None:
    assert said["reasons"]
    assert _found(said["reasons"]) == []


def test_in_the_whole_database_descriptions_alone_name_a_patient_where_people_wrote_it_there(
    trial: Trial, said: Mapping[str, bytes]
) -> None:
    assert said
    found = {column for column, kept in _every_column(trial).items() if _found(kept)}
    # Nobody told this node what was requested.
    assert found == {one for one in left_out_by("privacy.descriptions") if not one.startswith("requested_procedures.")}


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory, thresholds: Path, archive: Orthanc) -> Iterator[Trial]:
    """A node that keeps no descriptions, when results of a study are home and another study could not be read."""
    data = tmp_path_factory.mktemp("silent") / "node"
    env = {**QUICK, "DICOM_NODE_LOGGING__LEVEL": "DEBUG", "DICOM_NODE_PRIVACY__DESCRIPTIONS": "false"}
    with Node(data, destinations=[archive.destination], models=thresholds, env=env) as node:
        trial, well, cut = Trial(node, archive), patient("privacy silent"), patient("privacy silent cut")
        _send(trial, [instance(one) for one in well.datasets()])
        _send(trial, [instance(_changed(well.datasets()[0]))])
        _send(trial, [instance(one, cut=300) for one in cut.datasets()[:2]])
        trial.await_home(well.uid("study"))
        trial.await_rest()
        trial.node.run("explain", well.uid("study"))
        yield trial


def test_without_descriptions_nothing_of_the_whole_database_names_a_patient(silent: Trial) -> None:
    kept = _every_column(silent)
    assert kept["studies.study_uid"]
    assert {column for column, text in kept.items() if _found(text)} == set()
    assert {text for column, text in kept.items() if column.endswith("_description")} == {b""}


def test_without_descriptions_logs_and_figures_name_no_patient_and_results_still_do(silent: Trial) -> None:
    figures = "".join(silent.node.get(role, "/metrics") for role in silent.node.roles)
    assert _found(figures.encode()) == []
    assert _found(silent.node.log.read_bytes()) == []
    names = {str(one.PatientName) for one in silent.results(patient("privacy silent").uid("study"))}
    assert names == {NAME}


def _every_column(trial: Trial) -> Mapping[str, bytes]:
    """What each column of each table holds, a value a line, by `table.column`; empty values left out."""
    found: dict[str, bytes] = {}
    for table in metadata.tables.values():
        for column in table.columns:
            query = f'SELECT "{column.name}"::text AS said FROM "{table.name}" WHERE "{column.name}" IS NOT NULL'
            lines = [str(row["said"]).encode() for row in trial.rows(query)]
            found[f"{table.name}.{column.name}"] = b"\n".join(one for one in lines if one)
    return found


def _found(text: bytes) -> list[bytes]:
    """Every line with something that tells of a patient."""
    return [line for line in text.splitlines() if any(one in line.lower() for one in IDENTITY)]


def _send(trial: Trial, instances: list[Outgoing]) -> None:
    assert len(acknowledged(paced(trial.node, instances))) == len(instances)


def _with_wrong_date(one: Outgoing) -> Outgoing:
    assert isinstance(one.file, bytes)
    file = one.file.replace(BIRTH.encode(), WRONG_BIRTH.encode())
    return Outgoing(file, one.sop_class, one.sop_instance, one.transfer_syntax)


def _misnamed(one: Outgoing) -> Outgoing:
    """An instance whose command set names a patient where a UID belongs."""
    return Outgoing(one.file, one.sop_class, "Quuxworth.Ybbsalbert", one.transfer_syntax)


def _verbose(dataset: Dataset) -> Dataset:
    """Results copy these, and each is longer than its VR admits (PS3.5 6.2)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.StudyID = dataset.AccessionNumber = "Quuxworth and " * 4
        dataset.StudyDescription = dataset.SeriesDescription = "Ybbsalbert " * 10
        dataset.PatientID = f"{ID} " * 12
    return dataset


def _changed(dataset: Dataset) -> Dataset:
    """Another instance under the same UID."""
    dataset.AcquisitionNumber = 2
    return dataset


def _call_somebody_else(node: Node) -> None:
    command = [counterparts.require("echoscu"), "-aet", "SCANNER", "-aec", "SOMEBODY", "127.0.0.1", str(node.port)]
    assert subprocess.run(command, capture_output=True, timeout=60, check=False).returncode != 0


def _joined(trial: Trial, query: str) -> bytes:
    rows = trial.rows(query)
    return "\n".join(str(value) for row in rows for value in row.values()).encode()


def _topics(broker: KafkaBroker) -> bytes:
    """Keys, headers and values of all messages of all topics, one a line."""
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap)
    try:
        names = [name for name in consumer.topics() if not name.startswith("__")]
        every = [TopicPartition(name, number) for name in names for number in consumer.partitions_for_topic(name)]
        consumer.assign(every)
        consumer.seek_to_beginning()
        left = sum(consumer.end_offsets(every).values())
        lines: list[bytes] = []
        while len(lines) < left:
            batches = consumer.poll(timeout_ms=10_000)
            assert batches, f"{len(lines)} of {left} messages came"
            records = [record for batch in batches.values() for record in batch]
            lines += [b" ".join([record.key or b"", str(record.headers).encode(), record.value]) for record in records]
        return b"\n".join(lines)
    finally:
        consumer.close()

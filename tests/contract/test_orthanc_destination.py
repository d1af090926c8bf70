"""Results to Orthanc by its REST API, which we did not write; what it cannot be made to answer a peer is told to."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from config.peers import Destination
from dicom_node.part10 import head
from dicom_node.scu import kinds
from dicom_node.scu.store import Outgoing, Verdict, outgoing
from domain.errors import Retryable
from tests.support import counterparts
from tests.support.certificates import certified
from tests.support.orthanc import CT, EXPLICIT, an_object, answering, tls_before
from tests.support.scripted import at
from tests.support.servers import Orthanc

ID = "f03ad349-e736d47c-8a0d627e-1f23ec4b-d5a0ed43"


def by_rest(archive: Orthanc, **more: Any) -> Destination:
    return Destination.model_validate({"kind": "orthanc", "name": "archive", "url": archive.rest, **more})


def sent(objects: list[Outgoing], destination: Destination) -> list[tuple[Verdict, str]]:
    return [(one.verdict, one.reason) for one in kinds.send(objects, destination, "NODE", 30.0, together=True)]


def test_objects_arrive_byte_for_byte_and_once_more_changes_nothing(orthanc: Orthanc) -> None:
    paths = sorted(counterparts.data("ct_chest_lidc0003").glob("*.dcm"))[:5]
    objects = [outgoing(path) for path in paths]
    assert sent(objects, by_rest(orthanc)) == [(Verdict.STORED, "")] * 5
    assert sorted(map(orthanc.file, orthanc.get("/instances"))) == sorted(path.read_bytes() for path in paths)
    assert sent(objects, by_rest(orthanc)) == [(Verdict.STORED, "was there already")] * 5
    assert set(kinds.holds(objects, by_rest(orthanc), "NODE").values()) == {""}


def test_other_bytes_under_the_uid_are_refused_and_are_not_what_was_sent(orthanc: Orthanc) -> None:
    first, other = an_object(1), an_object(1, size=10)
    assert sent([first], by_rest(orthanc)) == [(Verdict.STORED, "")]
    ((verdict, reason),) = sent([other], by_rest(orthanc))
    assert (verdict, reason) == (Verdict.REFUSED, "it holds something else under this SOP Instance UID")
    assert kinds.holds([other, an_object(2)], by_rest(orthanc), "NODE") == {
        other.sop_instance: reason,
        an_object(2).sop_instance: "it has no such instance",
    }


def test_what_came_there_by_c_store_is_the_same_though_its_file_meta_is_the_archives_own(orthanc: Orthanc) -> None:
    one = an_object(1, size=3_000_000)
    assert [done.verdict for done in kinds.send([one], at(orthanc.aet, orthanc.dicom_port), "NODE")] == ["stored"]
    assert orthanc.file(orthanc.get("/instances")[0]) != one.file
    assert sent([one], by_rest(orthanc)) == [(Verdict.STORED, "was there already")]
    assert kinds.holds([one], by_rest(orthanc), "NODE") == {one.sop_instance: ""}


def test_a_data_set_without_a_file_goes_as_one(orthanc: Orthanc) -> None:
    whole = an_object(1)
    assert isinstance(whole.file, bytes)
    bare = Outgoing(whole.file[len(head(CT, whole.sop_instance, EXPLICIT)) :], CT, whole.sop_instance, EXPLICIT, True)
    assert sent([bare], by_rest(orthanc)) == [(Verdict.STORED, "")]
    assert orthanc.file(orthanc.get("/instances")[0]) == whole.file


def test_what_is_no_dicom_is_refused_and_the_others_go_on(orthanc: Orthanc, tmp_path: Path) -> None:
    nonsense = Outgoing(b"nonsense", CT, "1.2.3", EXPLICIT)
    missing = Outgoing(tmp_path / "missing", CT, "1.2.4", EXPLICIT)
    verdicts = [verdict for verdict, _ in sent([nonsense, missing, an_object(1)], by_rest(orthanc))]
    assert verdicts == [Verdict.REFUSED, Verdict.RETRY, Verdict.STORED]


def test_a_study_with_results_is_marked_once_they_are_there(orthanc: Orthanc) -> None:
    assert sent([an_object(1)], by_rest(orthanc, label="AI", label_metadata=1030)) == [(Verdict.STORED, "")]
    (study,) = orthanc.get("/studies")
    assert orthanc.get(f"/studies/{study}/metadata?expand")["1030"] == "AI"


@pytest.mark.parametrize("version", ["1.12.0", "mainline"])
def test_an_archive_that_has_labels_gets_one_and_a_refusal_of_it_fails_nothing(version: str) -> None:
    asked: list[str] = []

    def told(method: str, path: str) -> object:
        asked.append(f"{method} {path}")
        if path.startswith("/studies"):
            return 403
        return {"Version": version} if path == "/system" else {"ID": ID, "ParentStudy": ID, "Status": "Success"}

    with answering(told) as url:
        labelled = Destination.model_validate({"kind": "orthanc", "name": "archive", "url": url, "label": "AI"})
        assert sent([an_object(1)], labelled) == [(Verdict.STORED, "")]
    assert asked[-1] == f"PUT /studies/{ID}/labels/AI"


def test_the_probe_takes_every_form_and_says_version_and_plugins(orthanc: Orthanc) -> None:
    seen = kinds.probe(by_rest(orthanc), "NODE")
    assert seen.error == ""
    assert len(seen.accepted) > 10
    version = orthanc.get("/system")["Version"]
    assert seen.implementation == f"Orthanc {version} (dicom-web, explorer.js)"
    assert kinds.echo(by_rest(orthanc), "NODE").implementation == f"Orthanc {version}"


@dataclass(frozen=True)
class Guarded:
    """An archive that lets one user in, at the HTTPS root `url`; `ca` proves that."""

    url: str
    ca: Path

    def known(self, **more: Any) -> Destination:
        return Destination.model_validate({"kind": "orthanc", "name": "archive", "url": self.url, **more})


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    key, certificate = certified(folder, "-addext", "subjectAltName=IP:127.0.0.1")
    with Orthanc(folder, user="node:secret") as archive, tls_before(archive.http_port, key, certificate) as url:
        yield Guarded(url, certificate)


def password(folder: Path, text: str) -> Path:
    file = folder / "password"
    file.write_text(text)
    file.chmod(0o600)
    return file


def test_a_password_and_a_certificate_open_an_archive_that_has_both(guarded: Guarded, tmp_path: Path) -> None:
    known = guarded.known(ca=guarded.ca, user="node", password_file=password(tmp_path, "secret\n"))
    assert sent([an_object(1)], known) == [(Verdict.STORED, "")]
    assert kinds.probe(known, "NODE").error == ""


def test_a_wrong_password_and_an_unproven_archive_are_worth_another_try_and_say_what_is_wrong(
    guarded: Guarded, tmp_path: Path
) -> None:
    wrong = guarded.known(ca=guarded.ca, user="node", password_file=password(tmp_path, "other"))
    ((verdict, reason),) = sent([an_object(1)], wrong)
    assert verdict is Verdict.RETRY
    assert "check user and password_file" in reason
    with pytest.raises(Retryable, match="certificate is signed by an authority"):
        kinds.echo(guarded.known(), "NODE")
    with pytest.raises(Retryable, match="password_file"):
        kinds.echo(guarded.known(ca=guarded.ca, user="node", password_file=tmp_path / "none"), "NODE")


def test_an_archive_that_is_away_gets_everything_once_it_is_back(tmp_path: Path) -> None:
    with Orthanc(tmp_path) as archive:
        objects = [an_object(number) for number in range(3)]
        archive.kill()
        outcomes = list(kinds.send(objects, by_rest(archive), "NODE"))
        assert [(one.verdict, one.unreached) for one in outcomes] == [(Verdict.RETRY, True)] * 3
        archive.start()
        assert sent(objects, by_rest(archive)) == [(Verdict.STORED, "")] * 3

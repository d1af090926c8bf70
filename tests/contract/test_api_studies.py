"""Studies and results by the API: found, told as the command line tells them, read, and by whom."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from audit.actions import Action
from console.api.paging import encoded
from console.cli.app import app
from domain.permissions import Permission, Principal, UserRole
from tests.support.api import Asked, entries, open_house, served_house, written
from tests.support.bench import KEY, Bench
from tests.support.servers import Postgres
from tests.support.working import ARCHIVE


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Bench]:
    with open_house(tmp_path_factory.mktemp("api"), postgres.url(dbname=postgres.fresh_schema())) as made:
        yield made


@pytest.fixture(scope="module")
def api(bench: Bench) -> Iterator[Asked]:
    with served_house(bench) as asked:
        yield asked


def by_command(bench: Bench, *words: str) -> Any:
    url = bench.database._engine.url.render_as_string(hide_password=False)
    environment = {"DICOM_NODE_IDENTITY__KEY": KEY, "DICOM_NODE_DATABASE__URL": url}
    result = CliRunner().invoke(app, [*words, "--data", str(bench.root), "--json"], env=environment)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_api_tells_a_study_and_its_explanation_as_the_command_line_does(bench: Bench, api: Asked) -> None:
    study = written(bench)
    assert api.get("radiologist", f"/studies/{study}") == by_command(bench, "status", study)
    assert api.get("radiologist", f"/studies/{study}/explanation") == by_command(bench, "explain", study)
    listed = api.get("radiologist", "/studies")
    assert listed["next"] is None
    by_id = {one["id"]: one for one in by_command(bench, "status")["studies"]}
    assert {one["id"]: one for one in listed["studies"]} == by_id


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({}, 2),
        ({"state": "receiving"}, 1),
        ({"state": ["receiving", "complete"]}, 2),
        ({"sender": "CT_ER"}, 1),
        ({"destination": ARCHIVE.name}, 1),
        ({"destination": "nowhere"}, 0),
        ({"model": "no_such"}, 0),
        ({"modality": "CT"}, 2),
        ({"since": "2020-01-01T00:00:00Z"}, 2),
        ({"until": "2020-01-01T00:00:00+01:00"}, 0),
    ],
    ids=str,
)
def test_studies_are_found_by_what_is_known_of_them(api: Asked, asked: dict[str, Any], count: int) -> None:
    assert len(api.get("operator", "/studies", params=asked)["studies"]) == count


def test_a_study_is_found_by_its_uid_and_is_its_own_address(bench: Bench, api: Asked) -> None:
    uid = api.get("operator", f"/studies/{written(bench)}")["study"]["study_uid"]
    (found,) = api.get("operator", "/studies", params={"uid": uid})["studies"]
    assert api.get("operator", f"/studies/{uid}")["study"]["id"] == found["id"]


def test_who_may_not_read_results_sees_where_a_study_is_and_no_finding_and_no_free_text(
    bench: Bench, api: Asked
) -> None:
    study = written(bench)
    for role, sees in (("radiologist", True), ("operator", False), ("administrator", False)):
        (job,) = api.get(role, f"/studies/{study}")["jobs"]
        assert (job["findings"] is not None) is sees
        told = [one["description"] for one in api.get(role, "/studies")["studies"]]
        assert any(told) is sees
    read = [
        one.details["user"]
        for one in entries(api, 99)
        if one.action == Action.RESULTS_READ and "request" in one.details
    ]
    assert set(read) == {"radiologist-1"}, "a reading of findings is an entry"


def test_who_may_not_read_results_sees_what_a_model_wants_and_not_what_stands_in_the_images(
    bench: Bench, api: Asked
) -> None:
    study = written(bench)
    refusals = json.dumps({str(uuid.uuid4()): ["body part is DOE JOHN, not CHEST"]})
    bench.as_owner(f"UPDATE dicom_node.decisions SET refusals = '{refusals}' WHERE study_id = '{study}'")
    for role, sees in (("radiologist", True), ("operator", False)):
        for told in (f"/studies/{study}", f"/studies/{study}/explanation"):
            said = str(api.get(role, told))
            assert ("DOE" in said) is sees
            assert "not CHEST" in said


def test_a_study_is_found_by_a_patients_numbers_which_are_nowhere_afterwards(api: Asked, bench: Bench) -> None:
    for body in ({"patient_id": "P-9"}, {"accession": " a 99 "}, {"accession": "A 99", "patient_id": "P-9"}):
        said = api("operator", "POST", "/studies/search", json=body)
        assert said.status_code == 200, said.text
        (found,) = said.json()["studies"]
        assert found["senders"] == ["CT_ER"]
        assert "P-9" not in said.text
        assert "A 99" not in said.text
    assert api("operator", "POST", "/studies/search", json={"patient_id": "P-8"}).json()["studies"] == []
    (entry,) = entries(api)
    assert (entry.action, entry.details["by"], entry.details["found"]) == (Action.PATIENT_SEARCHED, ["patient_id"], 0)
    whole = str(bench.ask("SELECT entry FROM dicom_node.audit_entries"))
    assert "P-8" not in whole
    assert "A 99" not in whole


def test_a_search_that_names_no_number_or_no_known_field_is_told_what_is_wrong_without_its_value(api: Asked) -> None:
    for body in ({}, {"patient_id": " "}, {"patient_id": "Doe^Jane\x00"}, {"patient": "Doe^Jane"}, {"accession": 7}):
        said = api("operator", "POST", "/studies/search", json=body)
        assert said.status_code == 422, said.text
        assert said.headers["content-type"] == "application/problem+json"
        assert said.json()["errors"]
        assert "Doe" not in said.text


@pytest.mark.parametrize("page", [1, 2, 3])
def test_a_whole_walk_through_the_pages_gives_each_study_once(api: Asked, page: int) -> None:
    walked, cursor = [], None
    for _ in range(5):
        found = api.get("operator", "/studies", params={"limit": page, **({"cursor": cursor} if cursor else {})})
        walked += [one["id"] for one in found["studies"]]
        cursor = found["next"]
        if cursor is None:
            break
    assert len(walked) == len(set(walked)) == 2


HALF = encoded("2026-01-01T00:00:00+00:00", "\ud800")


@pytest.mark.parametrize("cursor", ["", "x", "Wzdd", "WyJhIiwiYiJd", "WyIyMDI2LTAxLTAxIiwiYiJd", HALF, "%00", "ew"])
def test_a_cursor_that_no_page_gave_is_refused(api: Asked, cursor: str) -> None:
    for path in ("/studies", "/results"):
        said = api("radiologist", "GET", path, params={"cursor": cursor})
        assert said.status_code == 422 or (path == "/results" and said.status_code == 200), said.text


def test_what_has_not_changed_is_not_told_again(bench: Bench, api: Asked) -> None:
    path = f"/studies/{written(bench)}"
    first = api("operator", "GET", path)
    again = api("operator", "GET", path, headers={"If-None-Match": f'"x", W/{first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert api("operator", "GET", path, headers={"If-None-Match": '"x"'}).status_code == 200


def test_results_are_told_read_and_shown_and_each_reading_is_an_entry(bench: Bench, api: Asked) -> None:
    study = written(bench)
    listed = api.get("radiologist", f"/studies/{study}/results")["results"]
    assert {one["sop_uid"] for one in listed} == {one[0] for one in bench.ask("SELECT sop_uid FROM dicom_node.results")}
    assert api.get("radiologist", "/results")["results"] == listed
    kinds = {one["kind"]: one for one in listed}
    for kind, form in (("SEG", "picture"), ("SR", "text")):
        path = f"/results/{kinds[kind]['sop_uid']}"
        assert api.get("radiologist", path) == kinds[kind]
        whole = api("radiologist", "GET", f"{path}/object")
        assert whole.headers["content-type"] == "application/dicom"
        (file,) = bench.ask(f"SELECT object_key FROM dicom_node.results WHERE sop_uid = '{kinds[kind]['sop_uid']}'")
        assert whole.content == bench.objects.get(file[0])
        shown = api("radiologist", "GET", f"{path}/{form}")
        assert shown.status_code == 200, shown.text
        assert shown.content.startswith(b"\x89PNG") if form == "picture" else "Finding" in shown.text
        forms = [one.details["form"] for one in entries(api, 3)]
        assert forms == ["metadata", "object", form]
        assert {one.details["result"] for one in entries(api, 3)} == {kinds[kind]["sop_uid"]}
        tag = {"If-None-Match": whole.headers["etag"]}
        assert api("radiologist", "GET", f"{path}/object", headers=tag).status_code == 304
    other = api("radiologist", "GET", f"/results/{kinds['SR']['sop_uid']}/picture")
    assert other.status_code == 409


def test_who_is_bound_to_destinations_or_departments_sees_their_studies_and_no_other_exists_for_them(
    bench: Bench, api: Asked
) -> None:
    reader = frozenset({UserRole.RADIOLOGIST})
    api.known.people |= {
        "archive": Principal("archive", reader, destinations=frozenset({ARCHIVE.name})),
        "er": Principal("er", reader, departments=frozenset({"ER"})),
        "none": Principal("none", reader, departments=frozenset({"no such"})),
        "both": Principal("both", reader, destinations=frozenset({ARCHIVE.name}), departments=frozenset({"ER"})),
    }
    with_results = written(bench)
    (other,) = ({one["id"] for one in api.get("operator", "/studies")["studies"]}) - {with_results}
    (seg, *_) = api.get("radiologist", "/results")["results"]
    for who, sees in (("archive", {with_results}), ("er", {other}), ("none", set()), ("both", {with_results, other})):
        assert {one["id"] for one in api.get(who, "/studies")["studies"]} == sees
        for study in (with_results, other):
            for part in ("", "/explanation", "/results"):
                said = api(who, "GET", f"/studies/{study}{part}")
                assert said.status_code == (200 if study in sees else 404), (who, part)
        seen = with_results in sees
        assert bool(api.get(who, "/results")["results"]) is seen
        for form in ("", "/object", "/picture"):
            assert api(who, "GET", f"/results/{seg['sop_uid']}{form}").status_code in ((200, 409) if seen else (404,))
        found = api(who, "POST", "/studies/search", json={"patient_id": "P-9"}).json()["studies"]
        assert bool(found) is (other in sees)


def test_a_study_that_is_not_there_and_one_that_may_not_be_seen_are_answered_alike(bench: Bench, api: Asked) -> None:
    api.known.people["none"] = Principal("none", frozenset({UserRole.RADIOLOGIST}), departments=frozenset({"no such"}))
    hidden = api("none", "GET", f"/studies/{written(bench)}").json()
    nowhere = api("none", "GET", f"/studies/{uuid.uuid4()}").json()
    assert {**hidden, "instance": ""} == {**nowhere, "instance": ""}


def test_a_service_does_what_its_keys_scopes_say_and_nothing_else(bench: Bench, api: Asked) -> None:
    scopes = frozenset({Permission.STUDIES_READ})
    api.known.people["key"] = Principal("key", frozenset({UserRole.SERVICE}), scopes)
    study = written(bench)
    assert api("key", "GET", f"/studies/{study}").status_code == 200
    assert api("key", "GET", "/results").status_code == 403
    assert api("key", "POST", f"/studies/{study}/retry").status_code == 403

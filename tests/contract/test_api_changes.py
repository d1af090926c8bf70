"""What a person decides about a study by the API: done once, where it is as they saw it, and on the trail."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from audit.actions import Action
from tests.support.api import Asked, entries, open_house, served_house, written
from tests.support.bench import Bench


@pytest.fixture
def bench(tmp_path: Path, database_url: str) -> Iterator[Bench]:
    with open_house(tmp_path, database_url) as made:
        yield made


@pytest.fixture
def api(bench: Bench) -> Iterator[Asked]:
    with served_house(bench) as asked:
        yield asked


def test_a_change_is_made_where_the_study_is_as_it_was_seen_and_refused_where_it_is_another(
    bench: Bench, api: Asked
) -> None:
    path = f"/studies/{written(bench)}"
    tag = api("operator", "GET", path).headers["etag"]
    why = {"reason": "complaint 12"}
    assert api("operator", "PUT", f"{path}/hold", json=why, headers={"If-Match": tag}).status_code == 200
    said = api("operator", "DELETE", f"{path}/hold", headers={"If-Match": tag})
    assert said.status_code == 412
    assert said.json()["type"].endswith("/changed")
    fresh = api("operator", "GET", path).headers["etag"]
    assert api("operator", "DELETE", f"{path}/hold", headers={"If-Match": fresh}).status_code == 200


def test_what_a_person_decides_is_done_and_is_on_the_trail_with_them_and_the_request(bench: Bench, api: Asked) -> None:
    study = written(bench)
    (model,) = {one["model"] for one in api.get("operator", f"/studies/{study}")["jobs"]}
    why = {"reason": "the GPU\nwas faulty"}
    for method, what, body, action in (
        ("PUT", "hold", why, Action.HELD),
        ("DELETE", "hold", None, Action.HOLD_RELEASED),
        ("POST", "cancel", why, Action.CANCELLED),
        ("POST", "retry", None, Action.RETRIED),
        ("POST", "process", {"model": model, **why}, Action.REPROCESSED),
    ):
        said = api("operator", method, f"/studies/{study}/{what}", json=body)
        assert said.status_code == 200, said.text
        (entry,) = (
            one
            for one in entries(api, 9)
            if one.details.get("request") == said.headers["x-request-id"]
            if one.action == action
        )
        assert entry.study == study
        assert entry.details["user"] == "operator-1"
        if body:
            assert entry.details["reason"] == "the GPU was faulty"


def test_what_cannot_be_done_as_it_stands_says_why_and_is_not_done(bench: Bench, api: Asked) -> None:
    incoming = next(one["id"] for one in api.get("operator", "/studies", params={"state": "receiving"})["studies"])
    before = bench.state()
    for method, path, body in (
        ("POST", f"/studies/{incoming}/cancel", {"reason": "no"}),
        ("DELETE", f"/studies/{incoming}/hold", None),
        ("POST", f"/studies/{written(bench)}/process", {"reason": "no", "model": "no_such"}),
    ):
        said = api("operator", method, path, json=body)
        assert said.status_code == 409, said.text
        assert said.json()["detail"]
        assert str(bench.root) not in said.text
    assert bench.state() == before


def test_a_reason_is_words(bench: Bench, api: Asked) -> None:
    for reason in ("", " ", "\n", "x" * 501, None, 7):
        said = api("operator", "POST", f"/studies/{written(bench)}/cancel", json={"reason": reason})
        assert said.status_code == 422, reason


def test_the_same_request_with_the_same_key_is_done_once_and_answered_alike(bench: Bench, api: Asked) -> None:
    path, key = f"/studies/{written(bench)}/hold", {"Idempotency-Key": "my-own-key-1"}
    why = {"reason": "complaint 12"}
    first = api("operator", "PUT", path, json=why, headers=key)
    count = bench.count("audit_entries")
    again = api("operator", "PUT", path, json=why, headers=key)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert bench.count("audit_entries") == count
    other = api("operator", "PUT", path, json={"reason": "complaint 13"}, headers=key)
    assert other.status_code == 422
    assert other.json()["type"].endswith("/key-used")
    # Another user's key of the same letters is another key.
    assert "idempotency-replayed" not in api("service", "PUT", path, json=why, headers=key).headers


def test_a_key_is_free_again_where_nothing_was_done_and_after_a_day(bench: Bench, api: Asked) -> None:
    study, key = written(bench), {"Idempotency-Key": "my-own-key-2"}
    assert api("operator", "DELETE", f"/studies/{study}/hold", headers=key).status_code == 409
    assert api("operator", "PUT", f"/studies/{study}/hold", json={"reason": "x"}).status_code == 200
    assert api("operator", "DELETE", f"/studies/{study}/hold", headers=key).status_code == 200
    bench.as_owner("UPDATE dicom_node.answered_once SET at = at - interval '25 hours'")
    assert api("operator", "DELETE", f"/studies/{study}/hold", headers=key).status_code == 409


def test_a_request_that_is_still_being_done_is_not_done_beside_it(bench: Bench, api: Asked) -> None:
    study, key = written(bench), {"Idempotency-Key": "my-own-key-3"}
    assert api("operator", "PUT", f"/studies/{study}/hold", json={"reason": "x"}, headers=key).status_code == 200
    bench.as_owner("UPDATE dicom_node.answered_once SET status = NULL, answer = NULL")
    said = api("operator", "PUT", f"/studies/{study}/hold", json={"reason": "x"}, headers=key)
    assert said.status_code == 409
    assert "retry-after" in said.headers
    bench.as_owner("UPDATE dicom_node.answered_once SET at = at - interval '6 minutes'")  # its process has ended
    assert api("operator", "PUT", f"/studies/{study}/hold", json={"reason": "x"}, headers=key).status_code == 200


def test_a_result_whose_file_is_gone_says_so(bench: Bench, api: Asked) -> None:
    one = api.get("radiologist", "/results")["results"][0]
    bench.objects.delete(one["object_key"])
    for form in ("object", "picture"):
        said = api("radiologist", "GET", f"/results/{one['sop_uid']}/{form}")
        assert said.status_code == 409
        assert "here no longer" in said.json()["detail"]

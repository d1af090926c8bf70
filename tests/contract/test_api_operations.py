"""Models, destinations, queues, dead letters and figures by the API: told as they are, changed by whom it is for."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from audit.actions import Action
from consumers.bus import dead_letters
from consumers.bus.protocol import Message
from domain.errors import Permanent
from domain.permissions import Principal, UserRole
from domain.profiles import ENHANCED_SR, EXPLICIT
from tests.support.api import Asked, entries, open_house, served_house, written
from tests.support.bench import Bench
from tests.support.receivers import Receiver
from tests.support.servers import Postgres
from tests.support.working import ARCHIVE

WHY = {"reason": "the archive moves"}
OPERATOR = frozenset({UserRole.OPERATOR})


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver("PACS", {ENHANCED_SR: [EXPLICIT]}) as made:
        yield made


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Bench]:
    with open_house(tmp_path_factory.mktemp("api"), postgres.url(dbname=postgres.fresh_schema())) as made:
        yield made


@pytest.fixture(scope="module")
def api(bench: Bench, receiver: Receiver) -> Iterator[Asked]:
    with served_house(bench, destinations=[receiver.destination, "WARD@127.0.0.1:9"]) as asked:
        asked.known.people |= {
            "archive": Principal("archive", OPERATOR, destinations=frozenset({ARCHIVE.name})),
            "ward": Principal("ward", OPERATOR, destinations=frozenset({"WARD"})),
        }
        yield asked


@pytest.fixture(scope="module")
def letter(bench: Bench) -> int:
    """An event of the study with results that routing could not handle."""
    envelope = next(
        one
        for (one,) in bench.ask("SELECT envelope FROM dicom_node.outbox ORDER BY seq")
        if one.get("subject") == written(bench)
    )
    message = Message(json.dumps(envelope).encode(), written(bench), 0, 0)
    ledger, why = bench.as_process("write"), Permanent("no room")
    return dead_letters.set_aside(ledger, "results", message, why, 3, datetime.now(UTC))


def test_a_model_is_told_with_its_card_and_in_words(api: Asked) -> None:
    (listed,) = api.get("radiologist", "/models")["models"]
    told = api.get("radiologist", f"/models/{listed['name']}")
    assert told["card"] == "For tests alone.\n"
    assert told.items() >= listed.items()
    assert told["inputs"][0]["conditions"]
    assert {"network"} <= {one["sort"] for one in told["steps"]}
    assert str(api.backend.settings.data) not in json.dumps(told)
    assert api("radiologist", "GET", "/models/no_such").status_code == 404


def test_a_package_whose_manifest_is_wrong_is_told_and_costs_the_others_nothing(bench: Bench, api: Asked) -> None:
    broken = bench.root / "models/broken"
    broken.mkdir()
    (broken / "manifest.toml").write_text("nonsense")
    try:
        said = api.get("operator", "/models")
        assert [one["name"] for one in said["broken"]] == ["broken"]
        assert str(bench.root) not in json.dumps(said)
        assert len(said["models"]) == 1
        assert api("operator", "GET", "/models/broken").status_code == 409
    finally:
        (broken / "manifest.toml").unlink()
        broken.rmdir()


def test_where_no_package_can_be_read_that_is_said_and_what_waits_is_told_all_the_same(bench: Bench) -> None:
    with served_house(bench, models={"folder": bench.root / "nowhere"}) as api:
        said = api("operator", "GET", "/models")
        assert (said.status_code, said.headers["content-type"]) == (503, "application/problem+json")
        assert api.get("operator", "/queues")["queues"]


def test_a_destination_is_asked_what_it_takes_which_is_kept_and_on_the_trail(api: Asked, receiver: Receiver) -> None:
    before = api.get("operator", "/destinations/PACS")
    assert before["seen_at"] is None
    key = {"Idempotency-Key": "a-probe-of-mine"}
    said = api("operator", "POST", "/destinations/PACS/probe", headers=key)
    assert said.status_code == 200, said.text
    assert said.json()["accepted"] == [[ENHANCED_SR, EXPLICIT]]
    (entry,) = entries(api)
    assert (entry.action, entry.details["destination"], entry.details["answered"]) == (
        Action.DESTINATION_PROBED,
        "PACS",
        True,
    )
    assert entry.details["user"] == "operator-1"
    assert api.get("operator", "/destinations/PACS")["seen_at"] is not None
    asked = receiver.associations
    assert api("operator", "POST", "/destinations/PACS/probe", headers=key).json() == said.json()
    assert receiver.associations == asked, "with the same key it is not asked again"
    assert "WARD@127.0.0.1:9" in [one["address"] for one in api.get("operator", "/destinations")["destinations"]]


def test_a_destination_that_does_not_answer_says_so_and_why(api: Asked) -> None:
    said = api("operator", "POST", "/destinations/WARD/probe", params={"timeout": 1}).json()
    assert (said["accepted"], bool(said["error"])) == (None, True)
    assert api.get("operator", "/destinations/WARD")["error"]


def test_a_queue_tells_how_much_waits_since_when_and_each_piece_of_it(bench: Bench, api: Asked) -> None:
    every = {(one["kind"], one["name"]): one for one in api.get("operator", "/queues")["queues"]}
    assert {name for kind, name in every if kind == "destination"} == {"PACS", "WARD"}
    pacs = api.get("operator", "/queues/destination/PACS")
    assert pacs == every["destination", "PACS"]
    results = next(one for one in pacs["work"] if one["what"] == "results")
    ((size,),) = bench.ask(
        "SELECT sum(size) FROM dicom_node.results JOIN dicom_node.delivery_objects USING (sop_uid) WHERE NOT dropped"
    )
    assert (results["waiting"], results["working"], results["tried"], results["size"]) == (1, 0, 0, int(size))
    page = api.get("operator", "/queues/destination/PACS/waiting", params={"limit": 1})
    (piece,) = page["waiting"]
    assert (piece["what"], piece["study_id"], piece["state"]) == ("results", written(bench), "pending")
    assert piece["asked_at"] == results["oldest"]
    assert page["next"] is None
    nothing = next(iter(every["destination", "WARD"]["work"]))
    assert (nothing["waiting"], nothing["oldest"], nothing["size"]) == (0, None, 0)
    assert api("operator", "GET", "/queues/model/no_such").status_code == 404
    assert api("operator", "GET", "/queues/scanner/PACS").status_code == 422


@pytest.mark.parametrize("kind", ["destination", "model"])
def test_a_queue_is_paused_and_goes_on_as_it_was_seen_and_both_are_on_the_trail(api: Asked, kind: str) -> None:
    name = "PACS" if kind == "destination" else api.get("operator", "/models")["models"][0]["name"]
    path = f"/queues/{kind}/{name}"
    seen = {"If-Match": api("operator", "GET", path).headers["etag"]}
    said = api("operator", "PUT", f"{path}/pause", json=WHY, headers=seen)
    assert said.status_code == 200, said.text
    assert said.json()["paused"]["reason"] == WHY["reason"]
    (entry,) = entries(api)
    assert (entry.action, entry.details["name"], entry.details["user"]) == (Action.PAUSED, name, "operator-1")
    subject = api.get("operator", f"/{kind}s/{name}")
    assert subject["paused"]["paused_by"] == "operator-1"
    assert api("operator", "PUT", f"{path}/pause", json=WHY).status_code == 409
    assert api("operator", "DELETE", f"{path}/pause", headers=seen).status_code == 412
    assert api("operator", "DELETE", f"{path}/pause").json()["paused"] is None
    (entry,) = entries(api)
    assert (entry.action, entry.details["request"] != "") == (Action.RESUMED, True)
    assert api("operator", "DELETE", f"{path}/pause").status_code == 409
    assert api("operator", "PUT", f"/queues/{kind}/no_such/pause", json=WHY).status_code == 404


def test_who_is_bound_to_a_destination_sees_and_holds_back_that_one_alone(
    bench: Bench, api: Asked, letter: int
) -> None:
    for who, name, waits in (("archive", ARCHIVE.name, 1), ("ward", "WARD", 0)):
        assert [one["name"] for one in api.get(who, "/destinations")["destinations"]] == [name]
        queues = api.get(who, "/queues")["queues"]
        assert [one["name"] for one in queues if one["kind"] == "destination"] == [name]
        assert sum(one["waiting"] for each in queues for one in each["work"]) == waits
        assert len(api.get(who, "/dead-letters")["dead_letters"]) == waits
        figures = api.get(who, "/figures")
        assert (sum(figures["studies"].values()), figures["dead_letters"], figures["refusals"]) == (waits, waits, None)
        (model,) = {one["name"] for one in queues if one["kind"] == "model"}
        assert api(who, "PUT", f"/queues/model/{model}/pause", json=WHY).status_code == 403
    before = bench.state()
    for method, path in (
        ("GET", "/destinations/PACS"),
        ("POST", "/destinations/PACS/probe"),
        ("GET", "/queues/destination/PACS"),
        ("GET", "/queues/destination/PACS/waiting"),
        ("PUT", "/queues/destination/PACS/pause"),
        ("GET", f"/dead-letters/{letter}"),
        ("POST", f"/dead-letters/{letter}/replay"),
    ):
        assert api("ward", method, path, json=WHY if method == "PUT" else None).status_code == 404, path
    assert bench.state() == before


def test_figures_tell_how_the_work_of_the_day_stands(api: Asked, letter: int) -> None:
    assert api.get("administrator", "/figures")["received"] == 2, "both came today"
    said = api.get("administrator", "/figures", params={"since": "2020-01-01T00:00:00Z"})
    assert sum(said["studies"].values()) == 2
    assert (said["received"], said["dead_letters"]) == (2, 1)
    assert list(said["runs"].values()) == [{"succeeded": 1}]
    assert said["deliveries"] == {"PACS": {"pending": 1}}
    assert said["results"]["SR"] == 1
    assert said["refusals"] == {"callers": 0, "instances": 0}
    later = api.get("operator", "/figures", params={"since": "2999-01-01T00:00:00Z"})
    assert (later["received"], later["runs"], later["results"]) == (0, {}, {})
    assert later["deliveries"] == said["deliveries"], "what goes on counts from whenever it is"


def test_a_dead_letter_is_told_and_replayed_once_by_whom_it_is_for(bench: Bench, api: Asked, letter: int) -> None:
    page = api.get("administrator", "/dead-letters", params={"replayed": False})
    (listed,) = page["dead_letters"]
    assert (listed["id"], listed["reader"], listed["error"], listed["attempts"]) == (letter, "results", "no room", 3)
    told = api("operator", "GET", f"/dead-letters/{letter}")
    assert json.loads(told.json()["message"])["subject"] == written(bench)
    path, seen = f"/dead-letters/{letter}/replay", {"If-Match": told.headers["etag"]}
    assert api("administrator", "POST", path).status_code == 403
    assert api("operator", "POST", path, headers=seen).json() == {"id": letter, "reader": "results"}
    entry = next(one for one in entries(api, 5) if one.action == Action.REPLAYED)
    assert (entry.study, entry.details["user"], entry.details["letter"]) == (written(bench), "operator-1", letter)
    assert api("operator", "POST", path, headers=seen).status_code == 412
    assert api("operator", "POST", path).status_code == 409
    assert api.get("operator", "/dead-letters", params={"replayed": False})["dead_letters"] == []
    assert api("operator", "GET", "/dead-letters/999999").status_code == 404


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_each_dead_letter_comes_once_whatever_is_added_between_two_pages(
    bench: Bench, api: Asked, letter: int, limit: int
) -> None:
    def add() -> None:
        columns = "reader, message, event_id, error, attempts, at"
        values = f"'relay', '{{}}', '{uuid.uuid4()}', 'x', 1, now()"
        bench.as_owner(f"INSERT INTO dicom_node.dead_letters ({columns}) VALUES ({values})")

    for _ in range(3):
        add()
    there = {one for (one,) in bench.ask("SELECT id FROM dicom_node.dead_letters")}
    walked: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        asked = {"limit": limit, **({"cursor": cursor} if cursor else {})}
        page = api.get("operator", "/dead-letters", params=asked)
        walked += [one["id"] for one in page["dead_letters"]]
        cursor = page["next"]
        add()
    assert len(walked) == len(set(walked))
    assert there <= set(walked)


@pytest.mark.parametrize("path", ["/dead-letters", "/queues/destination/PACS/waiting"])
@pytest.mark.parametrize("cursor", ["", "x", "Wzdd7", "WyIxIiwiMiJd", "Wy0xXQ", "WzFlMTAwXQ", "W251bGxd"])
def test_a_cursor_that_no_page_gave_is_refused(api: Asked, path: str, cursor: str) -> None:
    assert api("operator", "GET", path, params={"cursor": cursor}).status_code == 422

"""AuditEvents: HAPI's validator takes the resource of every entry, and a server is sent each once, whatever it says."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, given, settings

from audit.actions import Action
from audit.chain import Row
from audit.export.balp import READ
from audit.export.fhir import audit_event
from audit.export.kinds import kind
from audit.export.mapping import audit_message
from config.audit_receivers import AuditReceiver
from domain.errors import Permanent, Retryable, Unavailable
from roles.receivers import FhirOutlet
from tests.support.audit_messages import entry, rows, strange_rows
from tests.support.fhir import errors

_STUDY = "0d5c2c1e-5c1b-4a76-9b4c-0c4d9a7f9a01"


def test_the_validator_refuses_what_is_no_audit_event() -> None:
    resource = dict(audit_event(audit_message(entry(1, "started"), {})))
    assert errors(resource) == []
    assert errors({**resource, "action": "X"})
    assert errors({**resource, "agent": []})


def test_fhir_takes_the_resource_of_every_kind_of_action() -> None:
    kinds = {replace(kind(action.value), action=None): action for action in Action}
    for number, action in enumerate(kinds.values(), 1):
        said = {"user": "alice", "caller": "CT1", "address": "10.1.2.3", "destination": "PACS", "reason": "why"}
        row = entry(number, action.value, _STUDY, **said, instances=[["1.2.3.4", "ab"]])
        assert errors(audit_event(audit_message(row, {_STUDY: "1.2.840.1"}))) == [], action


@given(rows() | strange_rows())
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_fhir_takes_the_resource_of_whatever_stands_on_the_trail(row: Row) -> None:
    assert errors(audit_event(audit_message(row, {}))) == []


@dataclass
class _Server:
    """Answers with `status`, and keeps what it was asked: method, path, fields, resource."""

    url: str = ""
    status: int = 201
    body: bytes = b""
    asked: list[tuple[str, str, dict[str, str], dict[str, object]]] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[_Server]:
    state = _Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _take(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            fields = {name.lower(): value for name, value in self.headers.items()}
            state.asked.append((self.command, self.path, fields, json.loads(body)))
            self.send_response(state.status)
            self.send_header("content-length", str(len(state.body)))
            self.end_headers()
            self.wfile.write(state.body)

        do_PUT = do_POST = _take  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        state.url = f"http://127.0.0.1:{listening.server_address[1]}/fhir"
        yield state
        listening.shutdown()
        thread.join(10)


@contextmanager
def _outlet(server: _Server, **given: object) -> Iterator[FhirOutlet]:
    said = {"kind": "fhir", "name": "repository", "url": server.url, **given}
    made = FhirOutlet(AuditReceiver.model_validate(said))
    try:
        yield made
    finally:
        made.close()


def test_an_entry_is_put_under_its_hash_so_that_a_second_time_changes_nothing(server: _Server) -> None:
    row = entry(7, "study held", _STUDY, user="alice")
    with _outlet(server) as way:
        way.send(audit_message(row, {}))
        way.send(audit_message(row, {}))
    first, second = server.asked
    assert first[:2] == ("PUT", f"/fhir/AuditEvent/{row.hash.hex()}")
    assert first[2]["content-type"] == "application/fhir+json"
    assert first[3] == second[3]
    assert first[3]["id"] == row.hash.hex()


def test_a_server_that_gives_ids_is_asked_whether_it_has_the_entry(server: _Server) -> None:
    row = entry(7, "study held", _STUDY, user="alice")
    with _outlet(server, store="post") as way:
        way.send(audit_message(row, {}))
        server.status = 412
        way.send(audit_message(row, {}))
    (method, path, fields, resource), _ = server.asked
    assert (method, path) == ("POST", "/fhir/AuditEvent")
    tag = resource["meta"]["tag"][0]  # type: ignore[index]
    assert fields["if-none-exist"] == f"_tag={tag['system']}|{row.hash.hex()}"
    assert "id" not in resource


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_resource_that_is_refused_by_itself_is_refused_for_good_with_the_servers_words(
    server: _Server, status: int
) -> None:
    issue = {"severity": "error", "diagnostics": "agent\nis none of ours"}
    server.status, server.body = status, json.dumps({"resourceType": "OperationOutcome", "issue": [issue]}).encode()
    with _outlet(server) as way, pytest.raises(Permanent, match=f"HTTP {status}: agent<U\\+000A>is none of ours"):
        way.send(audit_message(entry(7, "started"), {}))


@pytest.mark.parametrize(
    ("status", "said"),
    [(401, "token_file or certificate"), (404, 'store = "post" would do'), (429, "429"), (500, "500"), (302, "302")],
)
def test_whatever_else_a_server_answers_is_waited_for(server: _Server, status: int, said: str) -> None:
    server.status = status
    with _outlet(server) as way, pytest.raises(Retryable, match=said):
        way.send(audit_message(entry(7, "started"), {}))


def test_a_server_that_is_away_is_waited_for() -> None:
    with (
        _outlet(_Server(url="http://127.0.0.1:9/fhir")) as way,
        pytest.raises(Unavailable, match=r"no connection to 127\.0\.0\.1:9"),
    ):
        way.send(audit_message(entry(7, "started"), {}))


def test_what_a_person_read_by_the_api_is_of_the_profile_read_of_ihe() -> None:
    said = {"user": "alice", "address": "10.0.0.9", "request": "4f0c", "form": "findings", "study_uid": "1.2.840.1"}
    resource = dict(audit_event(audit_message(entry(7, "results read", _STUDY, **said), {})))
    assert resource["meta"]["profile"] == [READ]  # type: ignore[index, call-overload]
    assert errors(resource) == []
    # The validator holds it against the profile, and not against FHIR alone.
    assert errors({**resource, "agent": resource["agent"][1:]})  # type: ignore[index]
    assert errors({**resource, "entity": resource["entity"][1:]})  # type: ignore[index]


def test_what_is_no_read_by_the_api_claims_no_profile() -> None:
    for details in (
        {"user": "alice"},
        {"user": "alice", "request": "4f0c"},
        {"address": "10.0.0.9", "request": "4f0c"},
    ):
        for action in ("results read", "study held"):
            resource = audit_event(audit_message(entry(7, action, _STUDY, **details), {}))
            assert "profile" not in resource["meta"]  # type: ignore[operator]

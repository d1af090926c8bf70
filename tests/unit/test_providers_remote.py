"""A real HTTP server that misbehaves in each way that servers do: what the client makes of it, and for how long."""

import json
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from summary.prompt import Prompt
from summary.providers.chain import Completion, Timeouts
from summary.providers.faults import Fault, ProviderError
from summary.providers.remote import RemoteClient
from tests.support.provider_server import (
    Answer,
    Exchange,
    completion,
    drips,
    endless,
    fails,
    raw,
    revoked,
    said,
    serving,
    slow,
)

ASKED = Prompt("rules", "facts", {"type": "object"})
QUICK = Timeouts(2.0, 10.0, 20.0)
SHORT = Timeouts(1.0, 0.3, 0.6)

ERRORS = {
    "rate limit": (fails(429), Fault.RATE_LIMIT),
    "quota": (fails(429, "insufficient_quota"), Fault.QUOTA),
    "payment": (fails(402), Fault.QUOTA),
    "authentication": (fails(401), Fault.AUTHENTICATION),
    "permission": (fails(403), Fault.PERMISSION),
    "model gone": (fails(404, "model_not_found"), Fault.MODEL_GONE),
    "overloaded": (fails(503), Fault.OVERLOADED),
    "overloaded, as another says it": (fails(529, "overloaded_error"), Fault.OVERLOADED),
    "server": (fails(500), Fault.SERVER),
    "gateway": (raw(b"<html>Bad gateway</html>", 502), Fault.SERVER),
    "gateway's time-out": (fails(504), Fault.TIME_OUT),
    "content filter of the question": (fails(400, "content_filter"), Fault.CONTENT_FILTER),
    "content filter of the answer": (said("", "content_filter"), Fault.CONTENT_FILTER),
    "context": (fails(400, "context_length_exceeded"), Fault.CONTEXT_TOO_LONG),
    "too large": (fails(413), Fault.CONTEXT_TOO_LONG),
    "cut short": (said("half an ans", "length"), Fault.CUT_SHORT),
    "refused": (fails(422), Fault.REFUSED),
    "redirect": (raw(b"", 307), Fault.REFUSED),
    "no JSON": (raw(b"<html>hello</html>"), Fault.MALFORMED),
    "no choices": (raw(b'{"choices": []}'), Fault.MALFORMED),
    "no text": (raw(completion(None)), Fault.MALFORMED),
    "deep": (raw(b"[" * 100_000), Fault.MALFORMED),
    "huge": (raw(b" " * (2 << 20)), Fault.MALFORMED),
    "half an answer": (raw(b'{"choices": [', length=10_000), Fault.TIME_OUT),
}


@pytest.mark.parametrize(("answer", "fault"), ERRORS.values(), ids=ERRORS)
def test_each_error_of_a_server_is_told_apart(answer: Answer, fault: Fault) -> None:
    with serving(answer) as server, pytest.raises(ProviderError) as error:
        RemoteClient(server.url, "m", 100).complete(ASKED, "sk-SECRET", Timeouts(2.0, 1.0, 10.0))
    assert error.value.fault is fault
    assert "SECRET" not in str(error.value)
    assert "Doe" not in str(error.value)


def test_an_answer_comes_with_its_tokens_and_the_question_is_what_was_asked() -> None:
    with serving(said("hello")) as server:
        assert RemoteClient(server.url, "m", 100).complete(ASKED, "sk-1", QUICK) == Completion("hello", 100, 20)
    (body,) = server.asked
    assert [one["content"] for one in body["messages"]] == ["rules", "facts"]
    assert body["response_format"]["json_schema"]["schema"] == ASKED.answer
    assert (body["model"], body["max_tokens"], body["temperature"]) == ("m", 100, 0)
    assert server.keys == ["sk-1"]
    assert "SECRET" not in json.dumps(body)


def test_a_server_that_knows_no_schema_is_asked_without_one_and_remembered() -> None:
    def old(strictest: int) -> Answer:
        kinds = ("json_schema", "json_object", None)

        def answer(exchange: object) -> None:
            kind = exchange.body.get("response_format", {}).get("type")  # type: ignore[attr-defined]
            (said("hello") if kinds.index(kind) >= strictest else fails(400, "invalid_request"))(exchange)  # type: ignore[arg-type]

        return answer

    with serving(old(2)) as server:
        client = RemoteClient(server.url, "m", 100)
        client.complete(ASKED, "", QUICK)
        client.complete(ASKED, "", QUICK)
    assert len(server.asked) == 4


def test_retry_after_is_read() -> None:
    with serving(fails(429, headers={"Retry-After": "17"})) as server, pytest.raises(ProviderError) as error:
        RemoteClient(server.url, "m", 100).complete(ASKED, "", QUICK)
    assert error.value.retry_after == 17


@pytest.mark.parametrize("answer", [slow(60.0), drips(60.0)], ids=["no first byte", "a byte now and then"])
def test_a_server_that_takes_too_long_holds_nobody_up(answer: Answer) -> None:
    """Whoever waits for it has an answer in the end, and no error of this kind."""
    with serving(answer) as server, pytest.raises(ProviderError) as error:
        RemoteClient(server.url, "m", 100).complete(ASKED, "", SHORT)
    assert error.value.fault is Fault.TIME_OUT


@pytest.mark.parametrize(("status", "fault"), [(200, Fault.MALFORMED), (307, Fault.REFUSED), (500, Fault.SERVER)])
def test_of_what_a_server_says_no_more_is_taken_than_an_answer_has(status: int, fault: Fault) -> None:
    sent: list[int] = []
    with serving(endless(status, sent)) as server, pytest.raises(ProviderError) as error:
        RemoteClient(server.url, "m", 100).complete(ASKED, "", QUICK)
    assert error.value.fault is fault
    assert max(sent) < 32 << 20  # of 64: what lies in the buffers of both sides is taken, too


@pytest.mark.parametrize("status", [200, 500])
def test_nobody_goes_on_listening_to_a_server_whose_time_is_up(status: int) -> None:
    ended = threading.Event()

    def answer(exchange: Exchange) -> None:
        exchange.send(status, b"", length=1 << 19)
        with suppress(OSError):
            while not ended.wait(0.01):
                exchange.handler.wfile.write(b" ")
        ended.set()

    with serving(answer) as server, pytest.raises(ProviderError) as error:
        try:
            RemoteClient(server.url, "m", 100).complete(ASKED, "", SHORT)
        finally:
            hung_up = ended.wait(20)
            ended.set()
    assert error.value.fault is Fault.TIME_OUT
    assert hung_up


def test_of_this_machine_a_server_learns_nothing() -> None:
    heads: list[dict[str, str]] = []

    def answer(exchange: Exchange) -> None:
        heads.append({name.lower(): value for name, value in exchange.handler.headers.items()})
        said("hello")(exchange)

    with serving(answer) as server:
        RemoteClient(server.url, "m", 100).complete(ASKED, "sk-1", QUICK)
    (head,) = heads
    assert (head["user-agent"], head["x-stainless-raw-response"]) == ("dicom-node", "stream")
    http = {"host", "accept", "accept-encoding", "connection", "authorization", "content-type", "content-length"}
    assert set(head) == {"user-agent", "x-stainless-raw-response", *http}


@pytest.mark.parametrize("status", [302, 307, 405])
def test_what_has_nothing_to_do_with_the_form_of_an_answer_is_asked_once(status: int) -> None:
    with serving(raw(b"", status)) as server, pytest.raises(ProviderError) as error:
        RemoteClient(server.url, "m", 100).complete(ASKED, "", QUICK)
    assert error.value.fault is Fault.REFUSED
    assert len(server.asked) == 1


def test_a_wrong_path_is_told_as_one_where_a_server_names_no_model() -> None:
    with serving(raw(b'{"detail": "Not Found"}', 404)) as server, pytest.raises(ProviderError, match="or no such URL"):
        RemoteClient(server.url, "m", 100).complete(ASKED, "", QUICK)


def test_a_key_that_is_revoked_in_mid_run_is_told() -> None:
    with serving(said("hello"), revoked("sk-1", otherwise=said("hello"))) as server:
        client = RemoteClient(server.url, "m", 100)
        client.complete(ASKED, "sk-1", QUICK)
        with pytest.raises(ProviderError) as error:
            client.complete(ASKED, "sk-1", QUICK)
        assert client.complete(ASKED, "sk-2", QUICK).text == "hello"
    assert error.value.fault is Fault.AUTHENTICATION


def test_where_nobody_listens_there_is_no_connection(tmp_path: Path) -> None:
    with serving(said("hello")) as server:
        url = server.url
    with pytest.raises(ProviderError) as error:
        RemoteClient(url, "m", 100).complete(ASKED, "", QUICK)
    assert error.value.fault is Fault.NETWORK

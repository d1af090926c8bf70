"""An OpenAI-compatible server on loopback that says what a test wants: answers, each kind of error, and bad manners."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.support.http_serving import served

Answer = Callable[["Exchange"], None]


@dataclass
class Exchange:
    """One request, and the way to answer it."""

    handler: BaseHTTPRequestHandler
    body: dict[str, Any]
    key: str

    def send(
        self, status: int, body: bytes, headers: Mapping[str, str] | None = None, length: int | None = None
    ) -> None:
        """An answer; with a `length` beyond its body it is one that is cut short."""
        self.handler.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.handler.send_header(name, value)
        self.handler.send_header("Content-Length", str(len(body) if length is None else length))
        self.handler.end_headers()
        self.handler.wfile.write(body)


@dataclass
class ProviderServer:
    """What it was asked: bodies and keys, in order. `script` has an answer for each request; the last one stays."""

    script: list[Answer]
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    url: str = ""

    def next(self) -> Answer:
        """The answer for the request that is next."""
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]


def said(text: str, reason: str = "stop", tokens: tuple[int, int] = (100, 20)) -> Answer:
    """An answer as OpenAI's reference of the API has it."""
    return lambda exchange: exchange.send(200, completion(text, reason, tokens))


def completion(text: str | None, reason: str = "stop", tokens: tuple[int, int] = (100, 20)) -> bytes:
    """The body of an answer."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason}
    usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)}
    whole = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
    return json.dumps(whole).encode()


def fails(status: int, code: str = "", headers: Mapping[str, str] | None = None) -> Answer:
    """An error; its message quotes what no log may have."""
    body = {"error": {"message": "the key sk-SECRET of Jane Doe", "type": "error", "code": code or None}}
    return lambda exchange: exchange.send(status, json.dumps(body).encode(), headers)


def slow(seconds: float) -> Answer:
    """No byte for a while."""

    def answer(exchange: Exchange) -> None:
        time.sleep(seconds)
        exchange.send(200, completion("late"))

    return answer


def drips(seconds: float) -> Answer:
    """A byte now and then, for so long: no time-out between two bytes ever passes."""

    def answer(exchange: Exchange) -> None:
        body = completion("slow")
        exchange.send(200, b"", length=len(body))
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            exchange.handler.wfile.write(b" ")
            exchange.handler.wfile.flush()
            time.sleep(0.05)

    return answer


def endless(status: int, sent: list[int], most: int = 64 << 20) -> Answer:
    """A body without an end, or with one of `most` bytes; `sent` gets how many were taken."""

    def answer(exchange: Exchange) -> None:
        exchange.send(status, b"", length=most)
        sent.append(0)
        while sent[-1] < most:
            exchange.handler.wfile.write(b" " * (64 << 10))
            sent[-1] += 64 << 10

    return answer


def raw(body: bytes, status: int = 200, length: int | None = None) -> Answer:
    """Any bytes."""
    return lambda exchange: exchange.send(status, body, length=length)


def revoked(*keys: str, otherwise: Answer) -> Answer:
    """Keys that are no more accepted."""
    return lambda exchange: (fails(401, "invalid_api_key") if exchange.key in keys else otherwise)(exchange)


@contextmanager
def serving(*script: Answer) -> Iterator[ProviderServer]:
    """A server that goes through the script."""
    server = ProviderServer(list(script))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            key = self.headers.get("Authorization", "").removeprefix("Bearer ")
            server.asked.append(body)
            server.keys.append(key)
            try:
                server.next()(Exchange(self, body, key))
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

    with served(Handler) as address:
        server.url = f"{address}/v1"
        yield server

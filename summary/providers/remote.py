"""Any endpoint that speaks OpenAI's chat completions: the vendor's own, others' compatible ones, a server of the site.

The one importer of `openai`, which is loaded when an endpoint is first asked: a node whose settings name none does
without it. What a server says of an error is not repeated: it may quote the question, or the key.
"""

import re
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from domain.json_records import Json, JsonObject, json_object
from summary.prompt import Prompt
from summary.providers.chain import Completion, Timeouts
from summary.providers.deadline import retry_after, within
from summary.providers.faults import Fault, ProviderError

if TYPE_CHECKING:
    import openai

# What to do where the library is absent.
INSTALL = "openai is not installed: install dicom-node[language]"
_LONGEST = 1 << 20  # bytes of an answer; an impression has a few thousand
_CODE = re.compile(r"[a-z][a-z0-9_.-]{0,60}", re.IGNORECASE)

# How the wish for JSON is put, the strictest first: not every server knows each.
_FORMATS: tuple[Callable[[Prompt], JsonObject], ...] = (
    lambda asked: {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "impression", "strict": True, "schema": asked.answer},
        }
    },
    lambda asked: {"response_format": {"type": "json_object"}},
    lambda asked: {},
)


class _MalformedQuestion(ProviderError):
    """The server does not take the question as it is put: without the wish for a schema it may."""


class RemoteClient:
    """Asks one endpoint for one model. `answer` is the most tokens of an answer."""

    def __init__(self, url: str, model: str, answer: int) -> None:
        self._url = url
        self._model = model
        self._answer = answer
        self._format = 0  # the strictest that this server is known to take

    def complete(self, asked: Prompt, key: str, timeouts: Timeouts) -> Completion:
        """One answer, within `timeouts.total` whatever the server does."""
        _library()  # loading it takes seconds, which are not the server's
        until = time.monotonic() + timeouts.total
        return within(timeouts.total, lambda: self._complete(asked, key, timeouts, until))

    def _complete(self, asked: Prompt, key: str, timeouts: Timeouts, until: float) -> Completion:
        while True:
            try:
                return self._once(asked, key, timeouts, until)
            except _MalformedQuestion:
                if self._format == len(_FORMATS) - 1:
                    raise
                self._format += 1

    def _once(self, asked: Prompt, key: str, timeouts: Timeouts, until: float) -> Completion:
        openai = _library()
        hooks = {"request": [_bare], "response": [partial(_refused, until=until)]}
        try:
            # A server that sends a question on to another one would send the key along.
            with (
                openai.DefaultHttpxClient(follow_redirects=False, event_hooks=hooks) as http,
                openai.OpenAI(
                    base_url=self._url,
                    api_key=key or "none",
                    max_retries=0,
                    http_client=http,
                    timeout=openai.Timeout(timeouts.first_byte, connect=timeouts.connect),
                ) as client,
                client.chat.completions.with_streaming_response.create(**self._request(asked)) as response,
            ):
                return _completion(_read(response.iter_bytes(), until))
        except openai.APITimeoutError as error:
            raise ProviderError(Fault.TIME_OUT) from error
        except openai.APIConnectionError as error:
            raise ProviderError(_of_connection(error)) from error
        except openai.OpenAIError as error:
            raise ProviderError(Fault.MALFORMED, type(error).__name__) from error
        except ProviderError:
            raise
        except Exception as error:  # of the library beneath, while the answer is read
            timed_out = "Timeout" in type(error).__name__
            raise ProviderError(Fault.TIME_OUT if timed_out else Fault.NETWORK, type(error).__name__) from error

    def _request(self, asked: Prompt) -> dict[str, Any]:
        return {
            "model": self._model,
            "messages": [{"role": "system", "content": asked.system}, {"role": "user", "content": _content(asked)}],
            "temperature": 0,
            "max_tokens": self._answer,
            **_FORMATS[self._format](asked),
        }


def _content(asked: Prompt) -> str | list[dict[str, Any]]:
    if not asked.picture:
        return asked.user
    image = {"type": "image_url", "image_url": {"url": asked.picture_url}}
    return [{"type": "text", "text": asked.user}, image]


def _library() -> Any:
    """The module `openai`; raises ProviderError where it is not installed."""
    try:
        return import_module("openai")
    except ImportError as error:
        raise ProviderError(Fault.MODEL_GONE, INSTALL) from error


def _bare(request: Any) -> None:
    """Take from a request what the library tells of this machine and of itself, but for what it reads there itself."""
    told = [one for one in request.headers if one.lower().startswith("x-stainless-")]
    for name in (one for one in told if one.lower() != "x-stainless-raw-response"):
        del request.headers[name]
    request.headers["user-agent"] = "dicom-node"


def _refused(response: Any, until: float) -> None:
    """Raise ProviderError of a response that is no answer, before the library reads the whole of it."""
    if response.is_success:
        return
    try:
        body: object = json_object(_read(response.iter_bytes(), until))
    except (ValueError, RecursionError):
        body = None
    except ProviderError as error:
        if error.fault is Fault.TIME_OUT:
            raise
        body = None
    raise _of_status(response.status_code, body, retry_after(response.headers))


def _read(pieces: Iterable[bytes], until: float) -> bytes:
    """All of it, until then: a server that sends a byte now and then is not listened to for longer."""
    whole = bytearray()
    for piece in pieces:
        if time.monotonic() > until:
            raise ProviderError(Fault.TIME_OUT)
        whole += piece
        if len(whole) > _LONGEST:
            raise ProviderError(Fault.MALFORMED, "it is longer than any answer")
    return bytes(whole)


def _completion(body: bytes) -> Completion:
    """The answer in a response; raises ProviderError where there is none."""
    try:
        whole = json_object(body)
        choice = _item(whole["choices"])
        usage = whole.get("usage")
        tokens = usage if isinstance(usage, dict) else {}
        reason, message = choice.get("finish_reason"), choice["message"]
        assert isinstance(message, dict)
        text = message.get("content")
    except (ValueError, LookupError, TypeError, AssertionError, RecursionError) as error:
        raise ProviderError(Fault.MALFORMED, type(error).__name__) from error
    if reason == "content_filter" or message.get("refusal"):
        raise ProviderError(Fault.CONTENT_FILTER)
    if reason == "length":
        raise ProviderError(Fault.CUT_SHORT)
    if not isinstance(text, str) or not text.strip():
        raise ProviderError(Fault.MALFORMED, "it has no text")
    return Completion(text, _count(tokens.get("prompt_tokens")), _count(tokens.get("completion_tokens")))


def _item(value: Json) -> Mapping[str, Json]:
    first = value[0] if isinstance(value, list) and value else None
    if not isinstance(first, dict):
        raise TypeError("no choice")
    return first


def _count(value: Json) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10_000_000 else 0


_OF_STATUS = {
    401: Fault.AUTHENTICATION,
    402: Fault.QUOTA,
    403: Fault.PERMISSION,
    404: Fault.MODEL_GONE,
    408: Fault.TIME_OUT,
    410: Fault.MODEL_GONE,
    413: Fault.CONTEXT_TOO_LONG,
    429: Fault.RATE_LIMIT,
    503: Fault.OVERLOADED,
    504: Fault.TIME_OUT,
    529: Fault.OVERLOADED,
}
_OF_A_QUESTION = frozenset({400, 415, 422})
# What servers name in `code` or `type` of an error says more than their status.
_OF_CODE = {
    "insufficient_quota": Fault.QUOTA,
    "billing_hard_limit_reached": Fault.QUOTA,
    "context_length_exceeded": Fault.CONTEXT_TOO_LONG,
    "exceed_context_size_error": Fault.CONTEXT_TOO_LONG,
    "content_filter": Fault.CONTENT_FILTER,
    "content_policy_violation": Fault.CONTENT_FILTER,
    "model_not_found": Fault.MODEL_GONE,
    "deploymentnotfound": Fault.MODEL_GONE,
    "invalid_api_key": Fault.AUTHENTICATION,
    "overloaded_error": Fault.OVERLOADED,
}


def _of_status(status: int, body: object, after: float | None) -> ProviderError:
    codes = [one for one in _codes(body) if one in _OF_CODE]
    other = Fault.SERVER if status >= 500 else Fault.REFUSED
    fault = _OF_CODE[codes[0]] if codes else _OF_STATUS.get(status, other)
    said = f"status {status}, or no such URL" if status == 404 and not codes else f"status {status}"
    kind = _MalformedQuestion if fault is Fault.REFUSED and status in _OF_A_QUESTION else ProviderError
    return kind(fault, said, after)


def _codes(body: object) -> list[str]:
    """The words by which a server names the kind of an error."""
    if isinstance(body, dict):
        inner = body.get("error", body)
        if isinstance(inner, dict):
            values = (inner.get("code"), inner.get("type"))
            return [one.lower() for one in values if isinstance(one, str) and _CODE.fullmatch(one)]
    return []


def _of_connection(error: "openai.APIConnectionError") -> Fault:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(cause):
            return Fault.CERTIFICATE
        cause = cause.__cause__ or cause.__context__
    return Fault.NETWORK

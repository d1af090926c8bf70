"""One GET of a source of literature: bounded in time and bytes, led nowhere else, each failure of one kind."""

import http.client
import ssl
import time
import urllib.error
import urllib.request
from email.message import Message
from typing import IO

from summary.providers.deadline import retry_after, within
from summary.providers.faults import Fault, ProviderError

_LONGEST = 2 << 20  # bytes of an answer; a dozen records have some hundred thousand
_SILENT = 5.0  # s without a byte
_OF_STATUS = {408: Fault.TIME_OUT, 429: Fault.RATE_LIMIT, 503: Fault.OVERLOADED, 504: Fault.TIME_OUT}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Whoever is led on would tell another one what was asked."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        return None


def fetch(url: str, seconds: float) -> bytes:
    """The answer, within so many seconds whatever the server does; raises ProviderError."""
    return within(seconds, lambda: _fetched(url, seconds))


def _fetched(url: str, seconds: float) -> bytes:
    until = time.monotonic() + seconds
    request = urllib.request.Request(url, headers={"User-Agent": "dicom-node", "Accept-Encoding": "identity"})
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request, timeout=min(_SILENT, seconds)) as answer:
            body = _read(answer, until)
    except urllib.error.HTTPError as error:
        with error:
            raise _of_status(error) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ProviderError(_of_failure(error), type(error).__name__) from error
    if len(body) > _LONGEST:
        raise ProviderError(Fault.MALFORMED, "it is longer than any answer")
    return body


def _read(answer: http.client.HTTPResponse, until: float) -> bytes:
    """As much as an answer may have and a little more; nobody goes on listening to a source whose time is up."""
    body = b""
    while len(body) <= _LONGEST and (piece := answer.read1(_LONGEST)):
        if time.monotonic() > until:
            raise ProviderError(Fault.TIME_OUT)
        body += piece
    return body


def _of_status(error: urllib.error.HTTPError) -> ProviderError:
    other = Fault.SERVER if error.code >= 500 else Fault.REFUSED
    headers = {name.lower(): value for name, value in error.headers.items()}
    return ProviderError(_OF_STATUS.get(error.code, other), f"status {error.code}", retry_after(headers))


def _of_failure(error: Exception) -> Fault:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        return Fault.CERTIFICATE
    return Fault.TIME_OUT if isinstance(reason, TimeoutError) else Fault.NETWORK

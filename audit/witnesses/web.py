"""A witness by HTTP: it looks whether each checkpoint continues the one before, and signs it (C2SP tlog-witness)."""

import base64
import http.client
import re
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from audit.client_tls import client_context
from audit.notes import NoteError, Signature, SignatureKind, VerifierKey
from audit.witnesses import Contradicted, Offered
from config.audit import Witness
from config.secret_files import secret_in
from domain.errors import ConfigurationError, Retryable, Unavailable

_LONGEST = 1 << 20  # bytes of an answer
_SIZE = re.compile(r"(0|[1-9][0-9]{0,18})\n?")
_SIZES = "text/x.tlog.size"
_OLDER = 409
_NO_PROOF = 422
_WORDS = {
    403: "it trusts none of the keys that signed: give whoever runs it the key of dicom-node audit keys list",
    404: "it does not know this trail: give whoever runs it the key of dicom-node audit keys list",
}


class Web:
    """Sends the checkpoint with a proof that it continues the one that the witness signed last."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness
        self._url = f"{(witness.url or '').rstrip('/')}/add-checkpoint"
        try:
            self._key = VerifierKey.parse(witness.key) if witness.key else None
        except NoteError as error:
            raise ConfigurationError(f"audit.witnesses.{witness.name}.key: {error}") from error
        if self._key and self._key.kind is not SignatureKind.COSIGNATURE:
            raise ConfigurationError(f"audit.witnesses.{witness.name}.key: it is no key of a witness (type 4)")

    def give(self, offered: Offered) -> tuple[str, ...]:
        """See `audit.witnesses.Outlet`."""
        before = min(offered.before, offered.checkpoint.size)
        status, answer = self._ask(offered, before)
        if status == _OLDER and (theirs := _size(answer)) is not None and theirs != before:
            if theirs > offered.checkpoint.size:
                raise Contradicted(
                    f"{self._url} has signed {theirs} entries, and this trail comes to {offered.checkpoint.size}"
                )
            status, answer = self._ask(offered, theirs)
        if status in (_OLDER, _NO_PROOF):
            raise Contradicted(f"{self._url} has signed another history than this trail's (HTTP {status})")
        if status != http.client.OK:
            raise Retryable(f"{self._url} does not sign: {_WORDS.get(status, f'it answers HTTP {status}')}")
        return tuple(str(one) for one in self._signed(offered, answer))

    def _signed(self, offered: Offered, answer: str) -> list[Signature]:
        """The witness's own lines; lines of keys that are not known count for nothing."""
        try:
            lines = [Signature.parse(line) for line in answer.removesuffix("\n").split("\n")]
        except NoteError as error:
            raise Retryable(f"{self._url} answers what is no signature") from error
        if self._key is None:
            return lines
        own = [one for one in lines if (one.name, one.key_id) == (self._key.name, self._key.key_id)]
        if not own or not all(self._key.signed(offered.note.text, one.raw) for one in own):
            raise Retryable(f"{self._url} answers without a signature of audit.witnesses.{self._witness.name}.key")
        return own

    def _ask(self, offered: Offered, before: int) -> tuple[int, str]:
        proof = [base64.b64encode(step).decode() for step in offered.proof(before)]
        body = "".join(f"{line}\n" for line in (f"old {before}", *proof, "")) + str(offered.note)
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        if self._witness.token_file:
            secret = secret_in(self._witness.token_file, f"audit.witnesses.{self._witness.name}.token_file")
            headers["Authorization"] = f"Bearer {secret}"
        return _exchange(self._url, body.encode(), headers, self._witness.timeout, self._witness.ca)


def fetch(url: str, timeout: float = 30.0) -> str:
    """What lies at a URL; raises ConfigurationError where nothing is to be had there."""
    try:
        status, text = _exchange(url, None, {}, timeout, None)
    except Unavailable as error:
        raise ConfigurationError(str(error)) from error
    if status != http.client.OK:
        raise ConfigurationError(f"{url} answers HTTP {status}")
    return text


def _size(answer: str) -> int | None:
    found = _SIZE.fullmatch(answer)
    return int(found[1]) if found else None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A witness is where the setting says."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        return None


def _exchange(
    url: str, body: bytes | None, headers: dict[str, str], timeout: float, ca: Path | None
) -> tuple[int, str]:
    """Status and text of an answer; of the status 409 the text alone where it is a size."""
    handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
    if urlsplit(url).scheme == "https":
        handlers.append(urllib.request.HTTPSHandler(context=client_context(ca)))
    request = urllib.request.Request(url, data=body, headers={"User-Agent": "dicom-node", **headers})
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=timeout) as answer:
            return answer.status, _text(answer.read(_LONGEST + 1))
    except urllib.error.HTTPError as error:
        with error:
            text = _text(error.read(_LONGEST + 1))
        sized = error.code != _OLDER or error.headers.get_content_type() == _SIZES
        return error.code, text if sized else ""
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise Unavailable(f"{url} does not answer: {reason}") from error


def _text(raw: bytes) -> str:
    if len(raw) > _LONGEST:
        return ""
    return raw.decode("utf-8", "replace")

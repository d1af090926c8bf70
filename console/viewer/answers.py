"""What the viewer's door answers, and what it tells a browser that an answer may do."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

TEXT = "text/plain; charset=utf-8"

# Of every answer: it is taken for what it says to be, by pages of this origin alone, and names nobody where it leads.
_ALWAYS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), display-capture=(), usb=(), serial=(), hid=()",
    "X-Frame-Options": "DENY",
}
_NOWHERE = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
# What is no page of the viewer's own (an answer of the archive, a sentence) runs and loads nothing wherever it stands.
DATA_POLICY = f"default-src 'none'; sandbox; {_NOWHERE}"


def page_policy(hashes: Sequence[str]) -> str:
    """What the viewer's pages may do; `hashes` are of the scripts that stand in the first of them (CSP 3).

    Their decoders are WebAssembly and run in workers from memory, a segmentation is laid out by code that is compiled
    for it ('unsafe-eval'), styles are set by scripts. All that they load and ask comes from here.
    """
    scripts = " ".join(f"'{one}'" for one in hashes)
    return (
        f"default-src 'none'; script-src 'self' {scripts} 'unsafe-eval' 'wasm-unsafe-eval'; worker-src 'self' blob:; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; font-src 'self' data:; "
        f"connect-src 'self' blob: data:; {_NOWHERE}"
    )


@dataclass(frozen=True)
class Answer:
    """A status, a type and a body: bytes, or parts as they come, of `length` bytes where that is known.

    `keep` is how long a browser may (Cache-Control); `policy` what it may do (Content-Security-Policy). `known` says
    that whoever asked has shown the key, so that their connection may be kept.
    """

    status: HTTPStatus
    body: bytes | Iterator[bytes] = b""
    kind: str = TEXT
    length: int | None = None
    keep: str = "no-store"
    policy: str = DATA_POLICY
    more: Mapping[str, str] = field(default_factory=dict)
    known: bool = False

    def headers(self) -> Iterator[tuple[str, str]]:
        """All of its headers but those of the connection."""
        if self.status is not HTTPStatus.NO_CONTENT:  # which says that there is neither (RFC 9110 section 15.3.5)
            yield "Content-Type", self.kind
            yield from self._length()
        yield "Content-Security-Policy", self.policy
        yield "Cache-Control", self.keep
        yield from _ALWAYS.items()
        yield from self.more.items()

    def _length(self) -> Iterator[tuple[str, str]]:
        if isinstance(self.body, bytes):
            yield "Content-Length", str(len(self.body))
        elif self.length is not None:
            yield "Content-Length", str(self.length)
        else:
            yield "Transfer-Encoding", "chunked"


def said(status: HTTPStatus, text: str, known: bool = False) -> Answer:
    """A sentence."""
    more = {"Allow": "GET, HEAD"} if status is HTTPStatus.METHOD_NOT_ALLOWED else {}
    return Answer(status, f"{text}\n".encode(), more=more, known=known)

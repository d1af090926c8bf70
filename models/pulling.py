"""Fetches files of the catalogue: resumes what was cut off, and keeps nothing whose digest is not the stated one.

HTTP by the standard library, which follows redirects and takes proxies from the environment (HTTPS_PROXY, HTTP_PROXY,
NO_PROXY). A part that has come stays beside its validator in the folder of parts; the next attempt asks for the rest
with Range and If-Range (RFC 9110 sections 13.1.5 and 14.2), so that a file which has changed meanwhile is begun anew.
"""

import hashlib
import http.client
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

from domain.errors import ConfigurationError, IntegrityError, Unavailable
from models.catalogue import Entry, is_digest

# Called with the bytes that are there and those that there will be, 0 where the server does not say.
Progress = Callable[[int, int], None]

ONNX = ".onnx"

_BLOCK = 1 << 20
_TIMEOUT = 60.0  # s without a byte
_ATTEMPTS = 4  # in one call, each of which must bring something


def pull(
    entry: Entry, parts: Path, digest: str = "", source: Path | None = None, progress: Progress | None = None
) -> Path:
    """The file of `entry`, whole and with the right digest, in the folder `parts`; the caller moves or removes it.

    `digest` stands in for one that the catalogue does not have, `source` is a folder that holds the file already (as on
    a machine without the network), or the file itself; either may be the ONNX that the catalogue knows as `converted`,
    which a folder may hold under any name.
    Raises ConfigurationError where no digest is known or `source` lacks the file, IntegrityError where the file has
    another digest (it is removed then), and Unavailable where the server does not answer or the connection broke: call
    again, and it goes on from there.
    """
    given = None if source is None else _given(entry, source)
    if given is not None and given.suffix == ONNX and entry.converted:
        entry = replace(entry, digest=entry.converted, address=given.name)
    wanted = _wanted(entry, digest)
    parts.mkdir(parents=True, exist_ok=True)
    part = parts / entry.file
    if given is not None:
        _copy(given, part)
    elif _tag(part).is_file() or not part.is_file() or _digest(part, wanted) != wanted:
        _download(entry, part, progress or (lambda done, whole: None))
    _check(entry, part, wanted)
    return part


def _given(entry: Entry, source: Path) -> Path:
    file = source / entry.file
    if not source.is_dir():
        return source
    if file.is_file() or not entry.converted:
        return file
    networks = (one for one in sorted(source.glob(f"*{ONNX}")) if one.is_file())
    return next((one for one in networks if _digest(one, entry.converted) == entry.converted), file)


def _wanted(entry: Entry, digest: str) -> str:
    if digest and not is_digest(digest):
        raise ConfigurationError(f"{digest!r} is no digest; state sha256: or sha1: and the hexadecimal digits")
    if digest and entry.digest and digest != entry.digest:
        raise ConfigurationError(f"the catalogue states {entry.digest} for {entry.name}, not {digest}")
    if not digest and not entry.digest:
        raise ConfigurationError(
            f"no digest is known of {entry.file}; get one from whoever you trust, and give it: --digest sha256:..."
        )
    return digest or entry.digest


def _copy(file: Path, part: Path) -> None:
    if not file.is_file():
        raise ConfigurationError(f"{file}: is not there; fetch it elsewhere and put it there")
    shutil.copyfile(file, part)


def _check(entry: Entry, part: Path, wanted: str) -> None:
    found = _digest(part, wanted)
    if found != wanted:
        size = part.stat().st_size
        part.unlink()
        raise IntegrityError(f"{entry.file}: the {size} bytes that came are {found}, not {wanted}; they were removed")


def _digest(part: Path, wanted: str) -> str:
    """The digest of `part` by the algorithm of `wanted`."""
    algorithm = wanted.partition(":")[0]
    with part.open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"


def _download(entry: Entry, part: Path, progress: Progress) -> None:
    for attempt in range(1, _ATTEMPTS + 1):
        before = _size(part)
        try:
            _fetch_rest(entry, part, progress)
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, urllib.error.HTTPError) or _size(part) <= before or attempt == _ATTEMPTS:
                raise Unavailable(_said(entry, part, error)) from error
        else:
            _tag(part).unlink(missing_ok=True)
            return


def _said(entry: Entry, part: Path, error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    kept = f"; {_size(part)} bytes are kept, pull again to go on" if _size(part) else ""
    return f"{entry.address}: {reason}{kept}"


def _fetch_rest(entry: Entry, part: Path, progress: Progress) -> None:
    with _opened(entry, part) as answer:
        partial = answer.status == http.HTTPStatus.PARTIAL_CONTENT
        done = _size(part) if partial else 0
        length = answer.length or 0  # None where it comes in chunks
        whole = done + length if length else entry.size
        _tag(part).write_text(_validator(answer), "utf-8")
        with part.open("ab" if partial else "wb") as file:
            for block in _blocks(answer):
                file.write(block)
                done += len(block)
                progress(done, whole)
    if length and done < whole:
        raise http.client.IncompleteRead(b"", whole - done)


@contextmanager
def _opened(entry: Entry, part: Path) -> Iterator[http.client.HTTPResponse]:
    """The answer to a request for what `part` lacks, or for everything where that cannot be had."""
    have, tag = _size(part), _tag(part)
    headers = {"User-Agent": "dicom-node", "Accept-Encoding": "identity"}
    if have and tag.is_file() and (validator := tag.read_text("utf-8")):
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    request = urllib.request.Request(entry.address, headers=headers)
    opener = urllib.request.build_opener()
    try:
        with opener.open(request, timeout=_TIMEOUT) as answer:
            if answer.status == http.HTTPStatus.PARTIAL_CONTENT and _begins(answer) != have:
                raise http.client.HTTPException("the server sent another range than the one asked for")
            yield answer
    except urllib.error.HTTPError as error:
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        # The part is as long as the file or longer: its digest will tell, or a fresh start.
        tag.unlink(missing_ok=True)
        part.unlink()
        with opener.open(entry.address, timeout=_TIMEOUT) as answer:
            yield answer


def _begins(answer: http.client.HTTPResponse) -> int:
    """The first byte of a 206, from `Content-Range: bytes FIRST-LAST/WHOLE`; -1 where it is not said."""
    first = (answer.headers.get("Content-Range") or "").removeprefix("bytes ").partition("-")[0]
    return int(first) if first.isdecimal() else -1


def _validator(answer: http.client.HTTPResponse) -> str:
    """What If-Range may name: a strong ETag, or the date; the digest judges what was put together either way."""
    tag: str = answer.headers.get("ETag") or ""
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified") or ""


def _blocks(answer: IO[bytes]) -> Iterator[bytes]:
    while block := answer.read(_BLOCK):
        yield block


def _tag(part: Path) -> Path:
    return part.with_name(f"{part.name}.etag")


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0

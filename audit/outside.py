"""What outside places have of the trail's checkpoints, read back: each a claim that the trail is held against."""

import json
from collections.abc import Iterator

from audit.verification import Claim

_MEMBER = '{"note":'
_DASH = "\N{EM DASH} "


def line_of(note: str) -> str:
    """A note on one line of ASCII, as files and syslog receivers get it."""
    return json.dumps({"note": note}, separators=(",", ":"))


def claims_in(text: str, place: str) -> Iterator[Claim]:
    """The notes in a file: one in each line that holds one as `line_of` writes it, or notes behind one another.

    What begins like a note and is none is a claim too: whoever verifies it says what is wrong with it.
    """
    lines = text.splitlines()
    if any(_MEMBER in line for line in lines):
        yield from _in_lines(lines, place)
    else:
        yield from _behind_one_another(lines, place)


def _in_lines(lines: list[str], place: str) -> Iterator[Claim]:
    for number, line in enumerate(lines, 1):
        at = line.find(_MEMBER)
        if at >= 0:
            yield Claim(f"line {number} of {place}", _note(line[at:]))


def _note(said: str) -> str:
    try:
        found, _ = json.JSONDecoder().raw_decode(said)
        return str(found["note"])
    except (ValueError, KeyError, RecursionError):
        return ""


def _behind_one_another(lines: list[str], place: str) -> Iterator[Claim]:
    """A note ends with its signatures; what follows them begins the next."""
    first, gathered = 1, list[str]()
    for number, line in enumerate(lines, 1):
        if gathered and gathered[-1].startswith(_DASH) and not line.startswith(_DASH):
            yield Claim(f"the note in line {first} of {place}", "\n".join([*gathered, ""]))
            gathered = []
        if not gathered:
            first = number
        if line or gathered:
            gathered.append(line)
    if gathered:
        yield Claim(f"the note in line {first} of {place}", "\n".join([*gathered, ""]))

"""What a peer, a package or a file may be called to move a terminal, forge a line or turn its text round."""

import unicodedata

# A colour, a link, a bell, a cleared screen by C1; a line of its own; a text turned round and one hidden; a markup.
HOSTILE = (
    "[red]\x1b[31m\x1b]8;;http://evil\x07\x9b2J\r\n00:00:00.000 forged ERROR\u2028"
    "\u202eesrever\u2066\u200b\u061c\ufeff\x7f[/red]"
)
# As long as a model may be called.
SHORT = "[red]\x1b[31m\r\n00:00:00.000 forged ERROR\u202e\x9b"
FORGED = "00:00:00.000 forged ERROR"


def obeyed(printed: str) -> set[str]:
    """Which letters of `printed`, ends of lines apart, a terminal or a reader's eye would obey and not show."""
    letters = set(printed) - {"\n"}
    return {f"U+{ord(one):04X}" for one in letters if unicodedata.category(one) in {"Cc", "Cf", "Cs", "Zl", "Zp"}}


def forged(printed: str) -> list[str]:
    """Lines that somebody else began."""
    return [line for line in printed.splitlines() if line.lstrip().startswith(FORGED)]

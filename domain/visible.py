"""Words that come from outside, as they may be shown: the one function for all that reaches a terminal or a log.

A control character moves a terminal's cursor or begins a line that nobody wrote; a format character (Unicode's Cf, the
bidirectional ones among them) hides or turns round what follows. None is dropped: each is shown by its number.
"""

import re
import unicodedata

# What is not among letters, marks, numbers, punctuation, symbols and spaces: controls, formats, surrogates, what is for
# private use or not assigned, and separators of lines and paragraphs (Unicode 4.5, General Category).
_HIDDEN = ("C", "Zl", "Zp")
_SPACES = re.compile(r"[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]")


def visible(text: str) -> str:
    """`text` as one line in which every letter can be seen.

    >>> visible("CT\\x1b[2J"), visible("two\\nlines"), visible("invoice\\u202efdp.exe")
    ('CT<U+001B>[2J', 'two<U+000A>lines', 'invoice<U+202E>fdp.exe')
    """
    return text if text.isprintable() else "".join(map(_shown, text))


def on_a_line(text: str) -> str:
    """As `visible`, for what is kept and compared: what parts lines or words becomes a space, as in other spellings."""
    return text if text.isprintable() else visible(_SPACES.sub(" ", text))


def _shown(letter: str) -> str:
    return f"<U+{ord(letter):04X}>" if unicodedata.category(letter).startswith(_HIDDEN) else letter

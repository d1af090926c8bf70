"""A peer's words as text that may be recorded, logged and shown: printable ASCII of bounded length."""

# Stands for a byte that is no printable character of ASCII. No AE title and no UID of ours has it.
STRANGE = "\ufffd"


def plain(value: bytes, longest: int) -> str:
    """`value` up to its first NUL, without the spaces around it."""
    text = value[:longest].partition(b"\0")[0].decode("latin-1").strip(" ")
    return "".join(letter if " " <= letter <= "~" else STRANGE for letter in text)

"""How the files of an earlier study are called among those of a task; loads nothing."""

_PREFIX = "earlier "  # no name of an input has a space


def earlier_name(name: str) -> str:
    """By what the earlier study's files of an input are called beside those of the study itself."""
    return f"{_PREFIX}{name}"

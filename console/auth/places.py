"""Where a browser goes once somebody is logged in: a path of ours, and never another host."""

HOME = "/auth/me"
_LONGEST = 512


def own_path(wanted: str) -> str:
    """The path that is wanted, HOME where it is none: what begins with two slashes, or has a backslash, is a host."""
    is_path = wanted.startswith("/") and not wanted.startswith("//") and "\\" not in wanted
    return wanted if is_path and wanted.isascii() and wanted.isprintable() and len(wanted) <= _LONGEST else HOME

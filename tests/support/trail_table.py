"""The table of docs/audit.md: what is recorded, as the code says it."""

from collections.abc import Callable, Mapping

from audit.actions import Action
from audit.meanings import FORMER, MEANINGS


def entries() -> str:
    """Each action with its meaning."""
    rows = ["| entry | when | details | message |", "|---|---|---|---|"]
    for action in Action:
        meaning = MEANINGS[action]
        rows.append(f"| {action.value} | {meaning.when} | {meaning.details or '-'} | {meaning.event.value} |")
    return "\n".join(rows) + "\n"


def former_names() -> str:
    """What actions were called."""
    rows = [f"| {name} | {action.value} |" for name, action in FORMER.items()]
    return "\n".join(["| until then | today |", "|---|---|", *rows]) + "\n"


TABLES: Mapping[str, Callable[[], str]] = {"entries": entries, "former names": former_names}

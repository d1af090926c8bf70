"""The table of docs/security.md: what each role may do, as the domain says it."""

from collections.abc import Callable, Mapping

from domain.permissions import PERMITTED, Permission, UserRole


def permissions() -> str:
    """A row a permission, a column a role."""
    roles = list(UserRole)
    rows = [f"| permission | {' | '.join(roles)} |", f"|---|{'---|' * len(roles)}"]
    for one in Permission:
        cells = ("yes" if one in PERMITTED[role] else "" for role in roles)
        rows.append(f"| `{one.value}` | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


TABLES: Mapping[str, Callable[[], str]] = {"permissions": permissions}

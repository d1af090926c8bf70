"""What entries of the trail are found by: expressions of their text, as the indexes have them and queries ask.

The text is canonical (RFC 8785): no blank, members in the order of their names (action, at, by, details, ...), and
quotation marks within a text escaped. So what stands before `details` is cut out, which costs a tenth of parsing it,
and never fails, whatever somebody appended. A change here comes with a migration.
"""

from sqlalchemy import TextClause, text

_BEHIND_HOST = 'split_part(entry, \'"by":{"host":"\', 2)'

STUDY = "((entry::jsonb) ->> 'study')"
#: Of its moment, which is in UTC: 2026-11-30T09. Many entries share one, and so their place in the index.
HOUR = '(substr(entry, strpos(entry, \'"at":"\') + 6, 13) COLLATE "C")'
#: Those as they stand in JSON, which for every action, role and usual host is as they are.
ACTION = '(split_part(entry, \'"\', 4) COLLATE "C")'
HOST = f'(split_part({_BEHIND_HOST}, \'"\', 1) COLLATE "C")'
ROLE = f'(split_part(split_part({_BEHIND_HOST}, \'","role":"\', 2), \'"\', 1) COLLATE "C")'
#: Among the entries that may have a user.
USER = "(((entry::jsonb) -> 'details' ->> 'user') COLLATE \"C\")"
HAS_USER = 'strpos(entry, \'"user":"\') > 0'

INDEXES = {"study": STUDY, "hour": HOUR, "action": ACTION, "host": HOST, "role": ROLE, "user": USER}


def among(index: str) -> TextClause | None:
    """The entries that an index has, where these are not all."""
    return text(HAS_USER) if index == "user" else None

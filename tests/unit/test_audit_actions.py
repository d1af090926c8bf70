"""One action for one thing that happens: each has a meaning of its own, and something in the node records it."""

import re
from collections import Counter

from audit.actions import Action
from audit.meanings import FORMER, MEANINGS
from tests.support.counterparts import ROOT

#: Rooms that run on a node.
_ROOMS = ("audit", "console", "consumers", "roles")
#: Where actions are spoken of, and none is recorded.
_ABOUT = tuple(
    f"audit/{name}" for name in ("actions.py", "export/kinds.py", "meanings.py", "report.py", "work_meanings.py")
)


def test_every_action_has_a_meaning() -> None:
    assert [action for action in Action if action not in MEANINGS] == []


def test_no_two_actions_have_the_same_meaning() -> None:
    assert [when for when, count in Counter(one.when for one in MEANINGS.values()).items() if count > 1] == []


def test_something_in_the_node_records_every_action() -> None:
    files = (file for room in _ROOMS for file in (ROOT / room).rglob("*.py"))
    code = "".join(file.read_text("utf-8") for file in files if str(file.relative_to(ROOT)) not in _ABOUT)
    used = set(re.findall(r"\bAction\.([A-Z_]+)", code))
    assert [action.name for action in Action if action.name not in used] == []


def test_a_former_name_is_no_name_of_today() -> None:
    assert FORMER.keys() & {action.value for action in Action} == set()

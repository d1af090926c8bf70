"""What goes on until it is told to stop lives in one loop (domain/stopping.py)."""

import ast
import threading
from collections.abc import Iterator

import pytest

from domain.stopping import loop_until
from tests.support.sources import modules

LOOP = "domain/stopping.py"
_NAMES = ("stop", "done", "ending", "closing")
_FLAGS = ("stop", "stopping", "stopped", "ending", "closing", "closed")


def _asks_to_stop(node: ast.AST) -> bool:
    """Whether an expression asks an event, or a flag by name, if an end has been asked for."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        asked = ast.unparse(node.func.value).lower()
        return node.func.attr == "is_set" or (node.func.attr == "wait" and any(name in asked for name in _NAMES))
    negated = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    return negated and ast.unparse(node).split(".")[-1].removeprefix("not ").strip("_") in _FLAGS


def _loops(tree: ast.AST) -> Iterator[ast.While]:
    """The `while` loops of which the condition, or a way out of the body, asks whether to stop."""
    for loop in (node for node in ast.walk(tree) if isinstance(node, ast.While)):
        conditions = [loop.test, *(node.test for node in ast.walk(loop) if isinstance(node, ast.If | ast.While))]
        if any(_asks_to_stop(part) for condition in conditions for part in ast.walk(condition)):
            yield loop


@pytest.mark.parametrize(
    "text",
    [
        "while not stop.is_set(): step()",
        "while not self._stopping: step()",
        "while not done.wait(5): step()",
        "while True:\n    if self.stop.is_set():\n        break",
        "while now() < end and not context.stop.is_set(): step()",
    ],
)
def test_a_loop_that_asks_whether_to_stop_is_recognised_in_each_of_its_shapes(text: str) -> None:
    assert list(_loops(ast.parse(text)))


def test_no_room_writes_a_loop_of_its_own_that_goes_on_until_told_to_stop() -> None:
    found = [f"{module.path}:{loop.lineno}" for module in modules() for loop in _loops(module.tree)]
    assert [place for place in found if not place.startswith(f"{LOOP}:")] == []


def test_a_loop_told_to_stop_before_its_first_round_has_none() -> None:
    stop = threading.Event()
    stop.set()
    assert list(loop_until(stop)) == list(loop_until(stop, 3600, at_once=False)) == []


def test_a_loop_told_to_stop_in_a_round_waits_no_more() -> None:
    stop, rounds = threading.Event(), 0
    for _ in loop_until(stop, 3600):
        rounds += 1
        stop.set()
    assert rounds == 1

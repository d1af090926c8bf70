"""Taking turns: whatever is sent, a sender's work waits for a few of another's and never for all of it."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from domain.turns import Turns

SENDERS = "ABCD"
# None serves what is next; a letter is a sender whose work comes.
STEPS = st.lists(st.one_of(st.none(), st.sampled_from(SENDERS)), max_size=200)


class Queue:
    """What waits, served by turn and then by age."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.waiting: list[tuple[int, int, str]] = []
        self.came = 0

    def come(self, sender: str) -> int:
        self.came += 1
        self.waiting.append((self.turns.give(sender), self.came, sender))
        return self.came

    def serve(self) -> tuple[int, str] | None:
        if not self.waiting:
            return None
        first = min(self.waiting)
        self.waiting.remove(first)
        self.turns.serve(first[0])
        return first[1], first[2]


def served_after(steps: Iterable[str | None]) -> list[str]:
    """The senders in the order in which they are served, once all has come."""
    queue = Queue()
    for step in steps:
        if step is None:
            queue.serve()
        else:
            queue.come(step)
    return [one[1] for one in iter(queue.serve, None)]


def test_who_comes_behind_a_flood_is_next_but_one() -> None:
    assert served_after(["A"] * 1000 + ["B"])[:2] == ["A", "B"]
    assert served_after(["A"] * 1000 + [None] * 500 + ["B"]).index("B") <= 1


def test_two_floods_are_served_by_turns() -> None:
    assert served_after(["A"] * 50 + ["B"] * 50) == ["A", "B"] * 50


def test_one_at_a_time_from_several_senders_does_not_starve_a_flood() -> None:
    queue = Queue()
    for sender in "AAAAAA" + "BC":
        queue.come(sender)
    served = []
    for _ in range(12):
        found = queue.serve()
        assert found
        served.append(found[1])
        if found[1] != "A":
            queue.come(found[1])
    assert served.count("A") == 4


@given(STEPS)
def test_nobody_waits_for_more_of_another_than_of_its_own(steps: list[str | None]) -> None:
    queue = Queue()
    own: dict[int, int] = {}
    overtaken: dict[int, dict[str, int]] = {}
    senders: dict[int, str] = {}

    def serve() -> bool:
        found = queue.serve()
        if found is None:
            return False
        number, sender = found
        own.pop(number)
        overtaken.pop(number)
        for other, count in overtaken.items():
            if senders[other] != sender:
                count[sender] = count.get(sender, 0) + 1
                assert count[sender] <= own[other] + 2
        return True

    for step in steps:
        if step is None:
            serve()
            continue
        before = sum(sender == step for _, _, sender in queue.waiting)
        number = queue.come(step)
        own[number], overtaken[number], senders[number] = before, {}, step
    while serve():
        pass


@given(STEPS)
def test_a_senders_own_work_keeps_its_order(steps: list[str | None]) -> None:
    queue = Queue()
    served = [queue.serve() if step is None else queue.come(step) and None for step in steps]
    served += iter(queue.serve, None)
    for sender in SENDERS:
        own = [one[0] for one in served if one and one[1] == sender]
        assert own == sorted(own)


def test_what_waited_in_another_life_keeps_its_turn() -> None:
    turns = Turns()
    for turn in (7, 8, 9):
        turns.keep("A", turn)
    turns.serve(7)
    assert (turns.give("B"), turns.give("A")) == (7, 10)


def test_only_those_who_may_matter_are_remembered() -> None:
    turns = Turns()
    for number in range(100):
        turns.serve(turns.give(f"CALLER{number}") + 1)
    assert len(turns._last) <= 1

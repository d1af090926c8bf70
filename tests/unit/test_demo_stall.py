"""A demonstration's wait ends, and says before that and then what it waits for."""

import pytest

from console.demo.stall import StallWatch
from domain.errors import Unavailable


class Seconds:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_wait_names_what_it_waits_for_every_so_often_and_ends_with_it() -> None:
    seconds, said = Seconds(), list[str]()
    watch = StallWatch(60, said.append, seconds)
    for _ in range(60):
        watch.look("work waits for the models to be warm")
        seconds.now += 1
    assert said == [f"still waiting after {after} s: work waits for the models to be warm" for after in (15, 30, 45)]
    with pytest.raises(Unavailable, match=r"nothing has changed for 60 s: work waits for the models to be warm"):
        watch.look("work waits for the models to be warm")


def test_whatever_changes_is_progress_however_long_the_whole_takes() -> None:
    seconds, said = Seconds(), list[str]()
    watch = StallWatch(60, said.append, seconds)
    for number in range(100):
        watch.look(f"attempt {number}")
        seconds.now += 14
    assert said == []

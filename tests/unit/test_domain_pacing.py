"""Work that may take a share of the time."""

import pytest

from domain.clock import ManualClock
from domain.pacing import ShareOfTime


def test_work_rests_until_it_has_taken_no_more_than_its_share() -> None:
    clock = ManualClock()
    pace = ShareOfTime(clock, share=0.2, least=0.5)
    assert not pace.left()
    with pace.taken():
        clock.sleep(1)
    assert pace.left() == pytest.approx(4)
    clock.sleep(4)
    with pace.taken():
        pass
    assert pace.left() == pytest.approx(0.5)


def test_work_that_raised_may_begin_again_at_once() -> None:
    clock = ManualClock()
    pace = ShareOfTime(clock, share=0.2, least=0.5)
    with pytest.raises(ValueError, match="away"), pace.taken():
        raise ValueError("away")
    assert not pace.left()

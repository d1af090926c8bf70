"""Numbers in sentences: a plural by the number, and no word of what there is none."""

from console.cli.counting import counted, counted_of, listed


def test_a_number_has_the_word_that_goes_with_it() -> None:
    assert [counted(one, "event") for one in (0, 1, 2)] == ["0 events", "1 event", "2 events"]
    assert [counted(one, "study", "studies") for one in (1, 2)] == ["1 study", "2 studies"]


def test_of_what_there_is_none_nothing_is_said() -> None:
    def said(events: int, jobs: int, deliveries: int) -> str:
        return listed((events, "event"), (jobs, "inference"), (deliveries, "delivery", "deliveries"))

    assert (said(0, 0, 0), said(0, 0, 1)) == ("", "1 delivery")
    assert said(2, 1, 3) == "2 events, 1 inference and 3 deliveries"
    assert counted_of(2, (0, "note"), (1, "delivery", "deliveries")) == "1 delivery of 2 studies"
    assert counted_of(0, (0, "note")) == ""

"""A real language model that knows nothing: whatever it answers, nothing that no fact holds reaches an impression."""

from benchmarks.language import asked
from summary.providers.faults import Fault
from tests.support.small_model import serving


def test_a_real_model_answers_over_http_and_nothing_ungrounded_reaches_an_impression() -> None:
    with serving() as url:
        tally = asked(url, "SmolLM2-135M-Instruct", sets=3, seed=20261129, answer=160)
    assert tally.sets == 3
    said = [reason for reason in tally.refused if "no answer in time" not in reason]
    assert said or tally.by_model  # it was asked, and something came
    for fault in (Fault.NETWORK, Fault.MALFORMED, Fault.REFUSED):
        assert not any(fault in reason for reason in said)
    assert not tally.ungrounded

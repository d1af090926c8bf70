"""A real language model that knows nothing: whatever it answers, nothing that no fact holds reaches an impression."""

from benchmarks.language import asked
from tests.support.small_model import serving


def test_a_real_model_answers_over_http_and_nothing_ungrounded_reaches_an_impression() -> None:
    with serving() as url:
        tally = asked(url, "SmolLM2-135M-Instruct", sets=3, seed=20261129, answer=160)
    assert tally.sets == 3
    assert tally.refused  # it was asked, and something came
    assert not {"no connection", "an answer that cannot be read", "the request was refused"} & tally.refused.keys()
    assert not tally.ungrounded

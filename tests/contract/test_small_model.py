"""A real language model that knows nothing: whatever it answers, nothing that no fact holds reaches an impression."""

from dataclasses import replace
from random import Random

import pytest

from benchmarks.grounding.made_facts import made_facts
from benchmarks.language import asked, over_http
from summary import prompt
from summary.answer import read
from summary.providers.chain import Timeouts
from summary.providers.faults import Fault, ProviderError
from summary.providers.local import LocalClient
from tests.support.small_model import serving, weights

pytestmark = pytest.mark.timeout(1200)
_SEED = 20261129
# A question may have to wait for a machine that does much besides.
_PATIENT = Timeouts(5, 600, 600)


def test_a_real_model_answers_over_http_and_nothing_ungrounded_reaches_an_impression() -> None:
    with serving() as url:
        tally = over_http(url, "SmolLM2-135M-Instruct", sets=2, seed=_SEED, answer=160)
    assert tally.sets == 2
    said = [reason for reason in tally.refused if "no answer in time" not in reason]
    assert said or tally.by_model  # it was asked, and something came
    for fault in (Fault.NETWORK, Fault.MALFORMED, Fault.REFUSED):
        assert not any(fault in reason for reason in said)
    assert not tally.ungrounded


def test_a_real_model_in_the_process_keeps_to_the_schema_its_tokens_and_its_context() -> None:
    whole = made_facts(Random(_SEED))
    facts = replace(whole, facts=whole.facts[:2])
    client = LocalClient(weights(), 160, threads=1)
    question = prompt.first(facts)
    told = client.complete(question, "", _PATIENT)
    assert read(told.text, facts)[0]  # it is an answer, whatever it says
    assert 0 < told.tokens_out < 160 < told.tokens_in

    with pytest.raises(ProviderError) as refused:
        client.complete(replace(question, user=question.user * 200), "", _PATIENT)
    assert refused.value.fault is Fault.CONTEXT_TOO_LONG

    tally = asked(client, "SmolLM2-135M-Instruct", sets=1, seed=_SEED, answer=160)
    assert not any(fault in reason for reason in tally.refused for fault in (Fault.MODEL_GONE, Fault.SERVER))
    assert not tally.ungrounded

"""Questions about a picture: what is asked of a general model, and what of its answer is believed."""

import json
from collections.abc import Callable

import pytest

from domain.clock import ManualClock
from domain.questions import Likelihoods, Question
from summary.prompt import Prompt
from summary.providers.cache import payload
from summary.providers.chain import Call, Chain, Completion, Provider, Timeouts
from summary.providers.faults import Fault, NoAnswer, ProviderError
from summary.providers.remote import RemoteClient
from summary.vision import likelihoods, look
from tests.support.provider_server import said, serving

QUESTIONS = (Question("Is there fluid?"), Question("Is there air?", ("air", "no air")))
PICTURE = b"\x89PNG picture"
GOOD = '{"q1": 0.25, "q2": 1}'


class Says:
    """A provider that says these texts, one after the other; the last one again and again."""

    def __init__(self, *texts: str) -> None:
        self.texts = list(texts)
        self.asked: list[Prompt] = []

    def complete(self, asked: Prompt, key: str, timeouts: Timeouts) -> Completion:
        self.asked.append(asked)
        return Completion(self.texts.pop(0) if len(self.texts) > 1 else self.texts[0])


def chain(*clients: Says, record: Callable[[Call], None] = lambda call: None) -> Chain:
    return Chain([Provider(f"p{at}", "eyes", one) for at, one in enumerate(clients)], ManualClock(), record=record)


def test_each_question_has_its_likelihood_and_who_gave_it() -> None:
    client = Says(GOOD)
    assert look(chain(client), "Look.", QUESTIONS, PICTURE) == Likelihoods((0.25, 1.0), "eyes at p0")
    (asked,) = client.asked
    told = json.loads(asked.user)["questions"]
    assert told == [
        {"id": "q1", "question": "Is there fluid?", "1": "present", "0": "absent"},
        {"id": "q2", "question": "Is there air?", "1": "air", "0": "no air"},
    ]
    assert asked.system.startswith("Look.") and asked.picture == PICTURE
    assert set(asked.answer["properties"]) == {"q1", "q2"}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("fluid: yes", "no JSON object"),
        ("[0.2, 0.3]", "no JSON object"),
        ('{"q1": 0.2}', "q2 without an answer"),
        ('{"q1": 0.2, "q2": 0.3, "q3": 0.1}', "not asked"),
        ('{"q1": 0.2, "q2": 0.3, "name": "Jane Doe"}', "not asked"),
        ('{"q1": 1.5, "q2": 0.3}', "no likelihood from 0 to 1"),
        ('{"q1": -0.1, "q2": 0.3}', "no likelihood from 0 to 1"),
        ('{"q1": NaN, "q2": 0.3}', "no likelihood from 0 to 1"),
        ('{"q1": true, "q2": 0.3}', "no likelihood from 0 to 1"),
        ('{"q1": "0.2", "q2": 0.3}', "no likelihood from 0 to 1"),
    ],
)
def test_an_answer_that_is_not_one_likelihood_for_each_question_is_none(text: str, reason: str) -> None:
    with pytest.raises(ProviderError, match=reason) as caught:
        likelihoods(text, 2)
    assert caught.value.fault is Fault.MALFORMED
    assert "Jane" not in str(caught.value)


def test_after_what_is_no_answer_the_next_provider_is_asked() -> None:
    calls: list[Call] = []
    found = look(chain(Says("no"), Says(GOOD), record=calls.append), "", QUESTIONS, PICTURE)
    assert found.by == "eyes at p1"
    assert [one.fault for one in calls] == [Fault.MALFORMED, None]


def test_what_is_no_answer_is_not_kept_and_what_is_one_is() -> None:
    client = Says("no", GOOD)
    asked = chain(client)
    with pytest.raises(NoAnswer):
        look(asked, "", QUESTIONS, PICTURE)
    assert look(asked, "", QUESTIONS, PICTURE) == look(asked, "", QUESTIONS, PICTURE)
    assert len(client.asked) == 2


@pytest.mark.parametrize(
    ("faults", "lasts"),
    [
        ([Fault.CONTENT_FILTER], True),
        ([Fault.CONTENT_FILTER, Fault.TIME_OUT], False),
        ([Fault.RATE_LIMIT], False),
        ([], False),
    ],
)
def test_only_where_every_provider_would_say_it_again_nobody_is_asked_again(faults: list[Fault], lasts: bool) -> None:
    assert NoAnswer("none", faults).lasts is lasts


def test_the_picture_leaves_as_part_of_the_message_and_of_the_payload() -> None:
    with serving(said(GOOD)) as server:
        asked = Chain([Provider("p", "eyes", RemoteClient(server.url, "eyes", 100))], ManualClock())
        look(asked, "", QUESTIONS, PICTURE)
    text, image = server.asked[0]["messages"][1]["content"]
    assert text["type"] == "text" and image["image_url"]["url"] == "data:image/png;base64,iVBORyBwaWN0dXJl"
    prompt = Prompt("s", "u", {}, PICTURE)
    assert b"data:image/png;base64,iVBORyBwaWN0dXJl" in payload(prompt)
    assert b"picture" not in payload(Prompt("s", "u", {}))

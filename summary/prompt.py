"""What a language model is told: the facts of the allow-list, what to do with them, and why an answer was refused."""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.impressions import Fact, Facts
from domain.json_records import Json
from domain.leaving import WayOut, may_leave
from summary.answer import schema, slots
from summary.grounding import Objection

VERSION = "1"  # of these words: it is in every result that a language model wrote
_MOST_REASONS = 8

_SYSTEM = """\
You write the impression of a radiology AI report as JSON. You get facts that AI models found in one study.
Rules:
- Answer with {"sentences": [{"facts": [...], "parts": [...]}]} and nothing else.
- A part is {"words": "..."} or {"slot": "..."}. Slots are filled in for you; use only slots that are listed.
- Never write a number, a unit, a side, a site or a comparison in words: use the slots.
- Each sentence lists the ids of the facts that it speaks of, and speaks of nothing else.
- Every fact that is "present" is in exactly one sentence, by its finding slot. Facts that are "absent" go together
  into one sentence that says that they are not reported. Facts that are "measured" may be told with their amounts.
- Plain words only: "There is", "is reported", "with", "in the", "and", "no". No advice, no diagnosis, no cause, no
  certainty, nothing about the patient.
"""


@dataclass(frozen=True)
class Prompt:
    """One question: `system` and `user` are its texts, `answer` is the JSON schema that the answer has to keep to.

    `picture` is an image that it is about, as a PNG file.
    """

    system: str
    user: str
    answer: dict[str, Json]
    picture: bytes = b""

    @property
    def picture_url(self) -> str:
        """The image in the words of an address (RFC 2397), as endpoints take it; "" without one."""
        return f"data:image/png;base64,{b64encode(self.picture).decode('ascii')}" if self.picture else ""


def first(facts: Facts) -> Prompt:
    """The question about these facts."""
    return Prompt(_SYSTEM, _asked(facts), schema(facts))


def again(facts: Facts, objections: Sequence[Objection]) -> Prompt:
    """The same once more, with what was wrong with the answer. Nothing of the answer itself is quoted back."""
    reasons = list(dict.fromkeys(f"{_where(one)}{one.flaw.value}" for one in objections))[:_MOST_REASONS]
    said = "Your last answer was refused for: " + "; ".join(reasons) + ". Keep to the rules."
    return Prompt(_SYSTEM, f"{_asked(facts)}\n{said}", schema(facts))


def _where(one: Objection) -> str:
    return "" if one.sentence is None else f"sentence {one.sentence + 1}: "


def _asked(facts: Facts) -> str:
    filled = slots(facts)
    return json.dumps({"facts": [_told(one, filled) for one in facts.facts]}, ensure_ascii=True)


def _may_be_told(slot: str) -> bool:
    return may_leave(WayOut.LANGUAGE_MODEL, slot.partition(".")[2].rstrip("0123456789"))


def _told(fact: Fact, filled: Mapping[str, str]) -> dict[str, Json]:
    own = {name: said for name, said in filled.items() if name.startswith(f"{fact.id}.") and _may_be_told(name)}
    return {"id": fact.id, "is": fact.presence.value, "slots": own}

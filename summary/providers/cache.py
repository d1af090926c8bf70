"""Answers that were given already: the same question of the same model is asked once in a while, not twice."""

import hashlib
import json
from collections import OrderedDict
from dataclasses import dataclass, field

from summary import prompt
from summary.prompt import Prompt
from summary.writing import Answered

_MOST = 1000


def payload(asked: Prompt) -> bytes:
    """The bytes of a question, all that leaves for it: system, user, schema and image, in a form always the same."""
    picture = {"picture": asked.picture_url} if asked.picture else {}
    whole = {"system": asked.system, "user": asked.user, "schema": asked.answer, **picture}
    return json.dumps(whole, sort_keys=True, separators=(",", ":")).encode("ascii")


def digest(asked: Prompt) -> str:
    """SHA-256 of the payload with the version of the prompt."""
    return hashlib.sha256(prompt.VERSION.encode("ascii") + b"\n" + payload(asked)).hexdigest()


@dataclass
class Cache:
    """Answers by question and model, for `seconds` each; the oldest go where there are many."""

    seconds: float = 1800.0
    _kept: OrderedDict[tuple[str, str, str], tuple[float, Answered]] = field(default_factory=OrderedDict)

    def get(self, provider: str, model: str, asked: Prompt, now: float) -> Answered | None:
        """The answer of a while ago; None where there is none."""
        found = self._kept.get((provider, model, digest(asked)))
        return found[1] if found and now - found[0] < self.seconds else None

    def put(self, answered: Answered, asked: Prompt, now: float) -> None:
        """Keep an answer."""
        key = (answered.provider, answered.model, digest(asked))
        self._kept.pop(key, None)
        self._kept[key] = (now, answered)
        while len(self._kept) > _MOST:
            self._kept.popitem(last=False)

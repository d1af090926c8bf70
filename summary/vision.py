"""Questions about one picture, put to a general model that sees, and what of its answer may be believed: a likelihood
for each question, and nothing else."""

import json
from collections.abc import Callable, Sequence

from domain.json_records import Json, json_object
from domain.questions import Likelihoods, Question
from summary.prompt import Prompt
from summary.providers.faults import Fault, ProviderError
from summary.writing import Answered

_RULES = """
You get one image and questions about it. Answer with a JSON object that has, for each question, its id and a number
from 0 to 1: how likely the choice called "1" is, as against the one called "0". Write nothing else, and no text that
you see in the image."""

# Asks, and tells what came to a check that raises ProviderError of what is no answer.
AskChecked = Callable[[Prompt, Callable[[str], None]], Answered]


def look(ask: AskChecked, instructions: str, questions: Sequence[Question], picture: bytes) -> Likelihoods:
    """What a model makes of `picture`, a PNG file; raises NoAnswer where none has an answer to all `questions`.

    `instructions` is what the model package has it told before.
    """
    answered = ask(_prompt(instructions, questions, picture), lambda text: _check(text, len(questions)))
    return Likelihoods(likelihoods(answered.text, len(questions)), f"{answered.model} at {answered.provider}")


def _check(text: str, count: int) -> None:
    likelihoods(text, count)


def _prompt(instructions: str, questions: Sequence[Question], picture: bytes) -> Prompt:
    told = [
        {"id": _id(at), "question": one.words, "1": one.choices[0], "0": one.choices[1]}
        for at, one in enumerate(questions)
    ]
    user = json.dumps({"questions": told}, ensure_ascii=True)
    return Prompt(f"{instructions.strip()}\n{_RULES}", user, _schema(len(questions)), picture)


def _schema(count: int) -> dict[str, Json]:
    ids = [_id(at) for at in range(count)]
    share: dict[str, Json] = {"type": "number", "minimum": 0, "maximum": 1}
    return {"type": "object", "properties": dict.fromkeys(ids, share), "required": ids, "additionalProperties": False}


def _id(at: int) -> str:
    return f"q{at + 1}"


def likelihoods(text: str, count: int) -> tuple[float, ...]:
    """The likelihoods in an answer; raises ProviderError unless it has one, from 0 to 1, for each question alone."""
    try:
        answer = json_object(text.encode())
    except (ValueError, RecursionError) as error:
        raise ProviderError(Fault.MALFORMED, "it is no JSON object") from error
    wanted = [_id(at) for at in range(count)]
    if unknown := set(answer) - set(wanted):
        raise ProviderError(Fault.MALFORMED, f"it answers {len(unknown)} questions that were not asked")
    if missing := [one for one in wanted if one not in answer]:
        raise ProviderError(Fault.MALFORMED, f"it leaves {', '.join(missing)} without an answer")
    return tuple(_share(one, answer[one]) for one in wanted)


def _share(question: str, value: Json) -> float:
    # What is not a number lies between no limits.
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        raise ProviderError(Fault.MALFORMED, f"of {question} it has no likelihood from 0 to 1")
    return float(value)

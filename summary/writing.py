"""From facts to an impression: a language model's words where they pass every check, a template's where they do not.

A model is asked once, and once more with the reasons. Whatever it says, or does not say, an impression comes of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from domain.errors import NodeError
from domain.impressions import Author, Facts, Impression, LanguageModel, Sentence, Topic
from summary import prompt
from summary.answer import MalformedAnswer, read
from summary.disagreement import disagreements
from summary.grounding import VERSION, Objection, ground
from summary.prompt import Prompt

# What is ours to say, whoever wrote the rest.
_OURS = (Topic.GUIDELINE, Topic.CAUTION)


@dataclass(frozen=True)
class Answered:
    """What a provider said, who it was, and what it counted; tokens are 0 where it does not tell."""

    text: str
    provider: str
    model: str
    tokens_in: int = 0
    tokens_out: int = 0
    cached: bool = False


Ask = Callable[[Prompt], Answered]


@dataclass(frozen=True)
class Attempt:
    """One question to a language model: the answer where there was one, and what was wrong with it."""

    asked: Prompt
    answered: Answered | None
    objections: tuple[Objection, ...] = ()
    fault: str = ""

    @property
    def passed(self) -> bool:
        """Whether its words may be read by people."""
        return self.answered is not None and not self.objections and not self.fault


@dataclass(frozen=True)
class Written:
    """An impression, and what was asked on the way to it."""

    impression: Impression
    attempts: tuple[Attempt, ...] = ()


def write(facts: Facts, template: Callable[[Facts], Impression], ask: Ask | None = None) -> Written:
    """The impression of these facts; without `ask`, the template's. Never raises for what a provider does."""
    plain, told = template(facts), _undisputed(facts)
    if ask is None or not told.facts:
        return Written(plain)
    attempts: list[Attempt] = []
    for _ in range(2):
        asked = prompt.again(told, attempts[-1].objections) if attempts else prompt.first(told)
        attempt, sentences = _attempt(asked, told, ask)
        attempts.append(attempt)
        if attempt.passed:
            assert attempt.answered is not None
            return Written(_impression(sentences, plain, attempt.answered, facts), tuple(attempts))
        if attempt.answered is None:
            break
    return Written(_fallen_back(plain, attempts[-1]), tuple(attempts))


def _undisputed(facts: Facts) -> Facts:
    """The facts without what one model denies of another's findings: that they disagree is ours to say."""
    denied = {one.id for each in disagreements(facts.facts) for one in each.absent}
    return replace(facts, facts=tuple(one for one in facts.facts if one.id not in denied))


def _attempt(asked: Prompt, facts: Facts, ask: Ask) -> tuple[Attempt, Sequence[Sentence]]:
    try:
        answered = ask(asked)
    except NodeError as error:
        return Attempt(asked, None, fault=str(error)), ()
    try:
        sentences, objections = read(answered.text, facts)
    except MalformedAnswer as error:
        return Attempt(asked, answered, fault=str(error)), ()
    return Attempt(asked, answered, (*objections, *ground(sentences, facts))), sentences


def _impression(sentences: Sequence[Sentence], plain: Impression, answered: Answered, facts: Facts) -> Impression:
    topics = _OURS if _tells_changes(sentences, facts) else (Topic.CHANGE, *_OURS)
    ours = (one for one in plain.sentences if one.topic in topics)
    model = LanguageModel(answered.provider, answered.model, prompt.VERSION)
    return Impression((*sentences, *ours), Author.LANGUAGE_MODEL, VERSION, model)


def _tells_changes(sentences: Sequence[Sentence], facts: Facts) -> bool:
    """Whether every difference to an earlier study is told of, at least by one figure of each finding."""
    text = " ".join(one.text for one in sentences)
    differing = [[change.said for change in one.changes if change.said] for one in facts.facts]
    return all(any(said in text for said in changes) for changes in differing if changes)


def _fallen_back(plain: Impression, last: Attempt) -> Impression:
    flaws = ", ".join(dict.fromkeys(one.flaw.value for one in last.objections))
    reason = last.fault or f"its words did not pass the checks: {flaws}"
    return Impression(plain.sentences, plain.author, plain.checker, None, reason)

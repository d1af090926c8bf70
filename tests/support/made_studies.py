"""Facts of studies that nobody had, by a seed: any findings of any packages together, and earlier ones of the same."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random

from domain.findings import Code, Findings
from domain.impressions import Facts
from summary.facts import About, Earlier, Studied, facts
from tests.support.impressions import (
    BRAIN_MR,
    CHEST_CT,
    CHEST_DX,
    LEFT,
    RIGHT,
    chest,
    lungs,
    nodules,
    studied,
    tumour,
)

Lesion = tuple[float, float, Code | None, float]


def lesions(chance: Random) -> list[Lesion]:
    """Of no size to that of an orange, on either side or on one that is not known."""
    return [
        (chance.uniform(3, 30), chance.uniform(2, 4), chance.choice((LEFT, RIGHT, None)), chance.random())
        for _ in range(chance.choice((0, 1, 2, 5, 40)))
    ]


def volume(chance: Random) -> float:
    """Nothing, little, or much (ml)."""
    return chance.choice((0.0, chance.uniform(0.001, 1), chance.uniform(1, 9000)))


def anything(chance: Random) -> Findings:
    """What one of the packages may find."""
    labels = [one.label for one in chest().likelihoods]
    makers: tuple[Callable[[], Findings], ...] = (
        lambda: nodules(*lesions(chance)),
        lambda: lungs(volume(chance), volume(chance)),
        lambda: tumour(volume(chance), volume(chance), volume(chance), chance.uniform(1, 200), chance.uniform(1, 200)),
        lambda: chest(*((one, chance.random()) for one in chance.sample(labels, chance.choice((0, 1, 4))))),
    )
    return chance.choice(makers)()


def study(chance: Random) -> Facts:
    """What up to four models found in a study, some of them in an earlier one as well; one may be another's rival."""
    known: set[str] = set()
    jobs: list[Studied] = []
    for number in range(1, chance.randrange(1, 6)):
        job = studied(found := anything(chance), number, _before(found, chance))
        for title in (found.model.title, f"{found.model.title} of another house"):
            if title not in known:
                known.add(title)
                jobs.append(_called(job, title))
                break
    return facts(jobs, chance.choice((CHEST_CT, CHEST_DX, BRAIN_MR, About(unread=2))))[0]


def _before(now: Findings, chance: Random) -> Earlier | None:
    if chance.random() < 0.5:
        return None
    then = next((one for one in (anything(chance) for _ in range(9)) if one.model == now.model), None)
    return Earlier(then, chance.choice((3, 40, 300, 2000))) if then else None


def _called(job: Studied, title: str) -> Studied:
    """The same of a model of that title."""
    vocabulary = replace(job.vocabulary, texts=job.vocabulary.texts | {title})
    before = job.earlier and replace(job.earlier, findings=_of(job.earlier.findings, title))
    return replace(job, findings=_of(job.findings, title), vocabulary=vocabulary, earlier=before)


def _of(findings: Findings, title: str) -> Findings:
    return replace(findings, model=replace(findings.model, title=title))


_NUMBER = r"\d+(?:\.\d+)?"
_FIGURE = rf"(?<![\d.+-]){_NUMBER}"
_TURNED = {"+": " -", "-": " +"}
_WRONG = (
    ("left", "right"),
    ("right", "left"),
    (" of another house", ""),
    ("no longer reported, ", ""),
    ("is not reported", "is reported"),
    ("are not reported", "are reported"),
)
_NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


def others(text: str, chance: Random) -> Iterator[str]:
    """The same sentence with one thing in it that is wrong: a count, side, figure, sign, model or negation."""
    counted = list(re.finditer(rf"\b({'|'.join(_NUMBERS)})\b", text, re.IGNORECASE))
    for one in counted[:1]:
        number = chance.choice([word for word in _NUMBERS if word != one.group().lower()])
        yield f"{text[: one.start()]}{number}{text[one.end() :]}"
    for figure in re.findall(rf"{_FIGURE}(?= (?:mm|ml))", text)[:1]:
        yield re.sub(rf"(?<![\d.+-]){re.escape(figure)}(?= (?:mm|ml))", f"{figure}7", text, count=1)
    yield from (text.replace(right, wrong, 1) for right, wrong in _WRONG if right in text)
    signs = (re.sub(rf" [{sign}](?={_NUMBER} ml)", turned, text, count=1) for sign, turned in _TURNED.items())
    yield from (one for one in signs if one != text)

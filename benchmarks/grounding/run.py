"""Plants errors into right impressions and counts which the checks find; counts right ones that they refuse."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from benchmarks.grounding.planted import CLASSES
from benchmarks.grounding.right import impressions
from domain.impressions import Facts, Sentence
from summary.grounding import ground


@dataclass
class Score:
    """`planted` and `caught` by class; `missed` are impressions whose error nobody saw; `refused` right ones."""

    planted: Counter[str] = field(default_factory=Counter)
    caught: Counter[str] = field(default_factory=Counter)
    missed: list[tuple[str, Facts, Sequence[Sentence]]] = field(default_factory=list)
    right: int = 0
    refused: list[tuple[Facts, Sequence[Sentence], str]] = field(default_factory=list)

    @property
    def recall(self) -> float:
        """Of the planted errors, the share that was caught."""
        return self.caught.total() / max(1, self.planted.total())

    @property
    def precision(self) -> float:
        """Of all refusals, the share that was right."""
        return self.caught.total() / max(1, self.caught.total() + len(self.refused))


def score(planted: int, right: int, seed: int) -> Score:
    """At least `planted` errors over all classes alike, and `right` right impressions."""
    found = Score()
    for facts, sentences in impressions(right, seed):
        found.right += 1
        if objections := ground(sentences, facts):
            found.refused.append((facts, sentences, "; ".join(one.said for one in objections)))
    for name, facts, wrong in _errors(planted, seed + 1):
        found.planted[name] += 1
        if ground(wrong, facts):
            found.caught[name] += 1
        else:
            found.missed.append((name, facts, wrong))
    return found


def _errors(count: int, seed: int) -> Iterator[tuple[str, Facts, Sequence[Sentence]]]:
    """Wrong impressions, each of a right one that passes: what was refused before would prove nothing."""
    chance = random.Random(seed)
    for name, plants in CLASSES.items():
        wanted = -(-count // len(CLASSES))
        for facts, told in impressions(100 * wanted, chance.randrange(1 << 30)):
            if wanted == 0:
                break
            if ground(told, facts):
                continue
            made = chance.choice(plants)(list(told), facts, chance)
            if made is not None and made != told:
                wanted -= 1
                yield name, facts, made

"""What comes of a sentence while it is read: what is wrong with it, and which facts it tells."""

from dataclasses import dataclass, field

from domain.findings import Code
from domain.impressions import Fact
from summary.flaws import Flaw
from summary.vocabulary import Meaning, normal

DIRECTION = {Meaning.UP: 1, Meaning.DOWN: -1, Meaning.SAME: 0}
COMPARES = frozenset({Meaning.COMPARED, *DIRECTION})


@dataclass
class Reading:
    """What came of a sentence: its flaws, and the facts that it tells."""

    flaws: list[tuple[Flaw, str]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    named: set[str] = field(default_factory=set)  # those of them that are told by the name of what was found
    compares: bool = False
    known: tuple[Fact, ...] = ()  # cited or not

    def refuse(self, flaw: Flaw, said: str) -> None:
        self.flaws.append((flaw, said))


# Laterality (PS3.16 CID 244), by SNOMED CT code.
_OF_CODE = {"7771000": {"left"}, "24028007": {"right"}, "51440002": {"left", "right"}}


def sides_of(fact: Fact) -> frozenset[str]:
    """Which sides a fact holds: by its code, or by the words of its label."""
    coded = _side(fact.laterality)
    words = {normal(one) for one in fact.label.replace(",", " ").split()}
    both = {"left", "right"} if words & {"both", "bilateral"} else set[str]()
    return frozenset(coded | (words & {"left", "right"}) | both)


def _side(code: Code | None) -> set[str]:
    return _OF_CODE.get(code.value, set()) if code and code.scheme == "SCT" else set()

"""What literature is looked for: subjects of coded terms, of which there are only so many.

A subject is a finding of the table of synonyms, the site where the finding alone does not tell one, and a modality.
Nothing else of a study has a place in it, so that whatever leaves could be written down beforehand.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from domain.impressions import Fact, Facts, Presence
from summary import synonyms
from summary.vocabulary import normal

_MOST = 3  # of a study
_WORD = re.compile(r"[^\W\d_]+")
# Whose word it is says nothing of the place: the British Thoracic Society's may be of the thyroid.
_SOCIETY = re.compile(r"\w+\s+society\b", re.IGNORECASE)
# Terms that nothing else in a body is called by: a title that has one needs no word for the place.
_NAMES_ITS_PLACE = frozenset(
    {
        "pneumonia",
        "pneumothorax",
        "cardiomegaly",
        "atelectasis",
        "emphysema",
        "hiatal hernia",
        "intracranial hemorrhage",
    }
)
# Adjectives of titles that no sentence about a finding may use for the site, for they say more than it.
_OF_TITLES = {"12738006": ("intracerebral",)}
# How titles and abstracts call what the image was made with.
_MODALITIES = {
    "CT": ("tomography", "CT"),
    "MR": ("magnetic resonance", "MRI"),
    "CR": ("radiography", "radiograph"),
    "DX": ("radiography", "radiograph"),
}


@dataclass(frozen=True)
class Subject:
    """Codes of a finding and a site ("" where it needs none), and a modality ("" where its word is not known)."""

    finding: str
    site: str = ""
    modality: str = ""

    @property
    def key(self) -> str:
        """The same for the same subject, here and in the database."""
        return f"{self.finding}|{self.site}|{self.modality}"

    @property
    def terms(self) -> tuple[str, ...]:
        """What the finding is called."""
        return synonyms.words_of(synonyms.FINDINGS.get(self.finding))

    @property
    def placed(self) -> tuple[str, ...]:
        """Those of the terms that say where by themselves."""
        return tuple(one for one in self.terms if one in _NAMES_ITS_PLACE)

    @property
    def places(self) -> tuple[str, ...]:
        """What its site is called, or the one that the finding implies."""
        row = synonyms.FINDINGS.get(self.finding)
        sites = (self.site,) if self.site else row.sites if row else ()
        return tuple(word for one in sites for word in _of_site(one))

    @property
    def means(self) -> tuple[str, ...]:
        """What the image was made with, in words."""
        return _MODALITIES.get(self.modality, ())

    def searched(self, in_title: str, in_abstract: str) -> str:
        """The subject as a condition: `in_title` and `in_abstract` are how a source is asked for words there."""
        placed, terms, places = (
            " OR ".join(in_title.format(one) for one in words) for words in (self.placed, self.terms, self.places)
        )
        about = [f"({placed})"] if placed else []
        if places:
            about.append(f"(({terms}) AND ({places}))")
        means = " OR ".join(in_abstract.format(one) for one in self.means)
        return f"({' OR '.join(about)})" + (f" AND ({means})" if means else "")


def _of_site(code: str) -> tuple[str, ...]:
    row = synonyms.SITES.get(code)
    beyond = row.sites if row else ()
    return (
        *synonyms.words_of(row),
        *_OF_TITLES.get(code, ()),
        *(word for one in beyond for word in synonyms.words_of(synonyms.SITES[one])),
    )


def every_subject() -> Iterator[Subject]:
    """All that there are."""
    for modality in ("", *_MODALITIES):
        for finding, row in synonyms.FINDINGS.items():
            for site in ("",) if row.sites else ("", *synonyms.SITES):
                one = Subject(finding, site, modality)
                if one.placed or one.places:
                    yield one


def subjects(facts: Facts) -> Sequence[tuple[Subject, tuple[str, ...]]]:
    """What was found and can be looked for, the first of it, each with the ids of its facts."""
    found: dict[Subject, list[str]] = {}
    modality = facts.modality if facts.modality in _MODALITIES else ""
    for fact in facts.facts:
        one = _subject(fact, modality)
        if one is not None:
            found.setdefault(one, []).append(fact.id)
    return [(one, tuple(ids)) for one, ids in found.items()][:_MOST]


def _subject(fact: Fact, modality: str) -> Subject | None:
    """None of what is not present, is in no table, or of which a term without a place would say nothing."""
    row = synonyms.FINDINGS.get(fact.finding.value)
    if fact.presence is not Presence.PRESENT or row is None:
        return None
    site = fact.site.value if fact.site and not row.sites and fact.site.value in synonyms.SITES else ""
    one = Subject(fact.finding.value, site, modality)
    return one if one.placed or one.places else None


def shares(title: str, subject: Subject) -> bool:
    """Whether a title has a term of the finding, and says where in the body, by that term or another word."""
    words = [normal(one) for one in _WORD.findall(_SOCIETY.sub(" ", title))]
    if _any(subject.placed, words):
        return True
    return _any(subject.terms, words) and _any(subject.places, words)


def _any(phrases: Sequence[str], words: Sequence[str]) -> bool:
    return any(_has(words, [normal(one) for one in phrase.split()]) for phrase in phrases)


def _has(words: Sequence[str], phrase: Sequence[str]) -> bool:
    return any(list(words[k : k + len(phrase)]) == phrase for k in range(len(words) - len(phrase) + 1))

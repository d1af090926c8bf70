"""An article as sources tell of it, and whether a reader may see it: an article that is not shown costs nothing.

Titles come from outside. They reach no language model, and readers only where they consist of what titles consist of.
"""

import html
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from summary.literature.subjects import Subject, shares

_PMID = re.compile(r"[1-9][0-9]{0,7}")
_FIRST_YEAR, _LAST_YEAR = 1900, 2100
_SHORTEST, _LONGEST, _LONGEST_JOURNAL = 10, 300, 120
# What PubMed and Europe PMC set in titles besides letters (NLM's DTD of PubMed, text%).
_MARKUP = re.compile(r"</?(?:i|b|u|sup|sub)>", re.IGNORECASE)
# Quotation marks, hyphens, dashes and spaces of typography, as ASCII has them.
_TYPOGRAPHY = str.maketrans("\u2018\u2019\u201c\u201d\u2010\u2011\u2013\u2014\u00a0", "''\"\"---- ")
_OTHER_LETTERS = " .,:;'\"()/+%&?-"
# What might tell who somebody is: long numbers, dates, UIDs, a person's form of address.
_OF_PERSONS = re.compile(
    r"\d{5}|\d+(?:\.\d+){3}|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|\b(?:Mrs?|Ms|Dr|Prof|MRN|DOB|SSN|[Aa]ccession|[Nn]amed)\b"
)
# What speaks to its reader, or to a machine.
_SPEAKS = re.compile(
    r"\b(?:you|your|yours|please|ignore|ignored|disregard|forget|override|instructions?|prompts?|assistant|system:|"
    r"click|download|https?|www|password|login|call|send|delete|retracted|withdrawn)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Article:
    """An article: its number in PubMed, title, journal and year; `retracted` also where a concern about it is told."""

    pmid: str
    title: str
    journal: str
    year: int
    retracted: bool = False
    source: str = ""


class Doubt(StrEnum):
    """Why an article is not shown."""

    NUMBER = "its number is none of PubMed"
    UNRESOLVED = "no source knows its number"
    RETRACTED = "it is retracted, or there is a concern about it"
    TITLE = "its title or journal is not made of what titles are made of"
    TERM = "its title does not name the finding"
    DISAGREE = "sources know other titles by its number"


def doubt(pmid: str, told: Sequence[Mapping[str, Article]], subject: Subject) -> Doubt | None:
    """What is wrong with the article of this number, by what each source that answered told; None: nothing."""
    known = [one[pmid] for one in told if pmid in one]
    if not _PMID.fullmatch(pmid):
        return Doubt.NUMBER
    if not known:
        return Doubt.UNRESOLVED
    if any(one.retracted for one in known):
        return Doubt.RETRACTED
    if any(cleaned(one) is None for one in known):
        return Doubt.TITLE
    if len({_compared(one.title) for one in known}) > 1:
        return Doubt.DISAGREE
    return None if shares(known[0].title, subject) else Doubt.TERM


def cleaned(article: Article) -> Article | None:
    """The article as readers may see it; None where its title or journal holds what none holds."""
    title, journal = _text(article.title).rstrip(". "), _text(article.journal).rstrip(". ")
    sound = (
        _SHORTEST <= len(title) <= _LONGEST
        and 1 < len(journal) <= _LONGEST_JOURNAL
        and _FIRST_YEAR <= article.year <= _LAST_YEAR
        and all(_is_of_titles(one) for one in (title, journal))
    )
    return Article(article.pmid, title, journal, article.year, article.retracted, article.source) if sound else None


def _text(title: str) -> str:
    plain = _MARKUP.sub("", html.unescape(title))
    return unicodedata.normalize("NFC", plain).translate(_TYPOGRAPHY)


def _is_of_titles(said: str) -> bool:
    """Letters of Latin-1, digits and the marks of titles, no gap, nothing of a person, nobody spoken to."""
    letters = all(one in _OTHER_LETTERS or (one.isalnum() and ord(one) < 0x100) for one in said)
    return letters and "  " not in said and not _OF_PERSONS.search(said) and not _SPEAKS.search(said)


def _compared(title: str) -> str:
    """What two spellings of one title have in common."""
    return "".join(one for one in _text(title).casefold() if one.isalnum())

"""What can be wrong with a sentence."""

from enum import StrEnum


class Flaw(StrEnum):
    """What is wrong with a sentence."""

    SOURCE = "source"  # it cites no fact, one that is not there, or one that it does not speak of
    NUMBER = "number"
    UNIT = "unit"
    SIDE = "side"
    SITE = "site"
    FINDING = "finding"
    NEGATION = "negation"
    CERTAINTY = "certainty"
    COMPARISON = "comparison"
    ADVICE = "recommendation"
    OMISSION = "omission"
    TWICE = "twice"
    LENGTH = "length"
    WORD = "word"  # a word that neither the facts nor the vocabulary have: a name, an order, anything

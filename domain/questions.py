"""Questions about an image that a general model is asked, and what it answers."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """What is asked in words; of the two `choices` the first is what a likelihood of 1 means, the second that of 0."""

    words: str
    choices: tuple[str, str] = ("present", "absent")


@dataclass(frozen=True)
class Likelihoods:
    """For each question, in their order, how likely its first choice is, 0 to 1; and which model of whom said so."""

    values: tuple[float, ...]
    by: str

"""Which of a study's results by one model a run's are: what a reader is told of results that replace others."""

from dataclasses import dataclass
from datetime import datetime, tzinfo


@dataclass(frozen=True)
class Edition:
    """`number` counts the study's results by the model, from 1. Of a first one nothing is said.

    `supersedes` is the number of those that these replace, which were `made` at that moment (aware); where the ones
    before were `withdrawn` there is nothing to replace.
    """

    number: int = 1
    supersedes: int = 0
    made: datetime | None = None
    withdrawn: bool = False

    def said(self, zone: tzinfo | None) -> str:
        """The sentence, without a stop; "" for a first one."""
        return self._words(zone, "supersedes result", "%Y-%m-%d %H:%M").capitalize()

    def shortly(self, zone: tzinfo | None) -> str:
        """As much of it as a description has room for."""
        return self._words(zone, "supersedes", "%Y-%m-%d")

    def _words(self, zone: tzinfo | None, supersedes: str, moment: str) -> str:
        if self.number == 1:
            return ""
        if self.withdrawn:
            return f"result {self.number}; the one before was withdrawn"
        made = self.made.astimezone(zone).strftime(moment) if self.made else ""
        return f"result {self.number}" + (f", {supersedes} {self.supersedes} of {made}" if made else "")


FIRST = Edition()

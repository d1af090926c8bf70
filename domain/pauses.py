"""What a person holds back for a while: a destination gets nothing, a model runs on nothing, until it is resumed."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Held(StrEnum):
    """What can be paused."""

    DESTINATION = "destination"
    MODEL = "model"


@dataclass(frozen=True)
class Pause:
    """Since when a destination or a model of this name is paused, by whom, and why in their words."""

    kind: str
    name: str
    since: datetime
    reason: str
    paused_by: str

    @property
    def said(self) -> str:
        """The sentence that people are shown, with the way out."""
        way_out = f"dicom-node {'destinations' if self.kind == Held.DESTINATION else 'models'} resume {self.name}"
        return f"{self.name} is paused by {self.paused_by}: {self.reason} ({way_out})"

"""What a study's findings, of all models together, come to in a few sentences.

`Facts` is what sentences may be made of, and all that a language model is ever told: an allow-list without a UID, a
date, a name or free text. An `Impression` is sentences that passed every check, each with the facts that it rests on.
`summary` makes both, `sr_writer` maps an impression to DICOM, `consumers.steps.summarise` keeps it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum

from domain.findings import Code, Measurement
from domain.ids import JobId
from domain.json_records import Json, JsonObject, record


class Presence(StrEnum):
    """What a fact says of its finding."""

    PRESENT = "present"
    ABSENT = "absent"  # it was looked for, and is not reported
    MEASURED = "measured"  # a part of the body that everybody has, and its size: nothing is claimed of it


class ScoreBand(StrEnum):
    """The model's own score for a finding, in quarters: closer than that it says nothing that a reader can use."""

    LOWEST = "below 25 %"
    LOW = "25 to 50 %"
    HIGH = "50 to 75 %"
    HIGHEST = "over 75 %"


class Interval(StrEnum):
    """How long before this study the earlier one was; a date or a number of days could tell whose they are."""

    DAYS = "within a week"
    WEEKS = "within a month"
    MONTHS = "within three months"
    HALF_YEAR = "within half a year"
    YEAR = "within a year"
    TWO_YEARS = "within two years"
    LONGER = "more than two years before"


class Caution(StrEnum):
    """What a reader has to know of how a fact came about: every remark of a model that facts may carry."""

    DEMONSTRATION = "demonstration model, not for clinical use"
    RESEARCH = "research, not a medical product"
    GENERAL_MODEL = "answered by a general model that was not made for this question"
    INTERPOLATED = "missing slices were interpolated"
    LEFT_OUT = "some images were left out"
    NOT_ALL_LISTED = "more were found than are listed"
    SIDE_UNKNOWN = "on which side was not determined"
    OTHER = "its report has a further remark"


@dataclass(frozen=True)
class Amount:
    """One number of a finding. `said` is the figure with its unit as every page of the results says it ("6.4 mm")."""

    measurement: Measurement
    said: str


@dataclass(frozen=True)
class Change:
    """How an amount differs from what the same model measured in an earlier study of the same patient.

    `name` is that of the measurement; `said` is the difference with sign and unit ("+1.5 mm"), "" where it is less than
    can be told apart.
    """

    name: Code
    difference: float
    unit: Code
    said: str
    interval: Interval


@dataclass(frozen=True)
class Fact:
    """One thing that a model found, looked for or measured. `id` is F1, F2, ... in the order in which readers see them.

    `label` is the word of the finding that results use, of the package's own manifest; `model` is the package's title.
    `count` says how many alike there are where one fact stands for several.
    """

    id: str
    finding: Code
    label: str
    presence: Presence
    model: str
    site: Code | None = None
    laterality: Code | None = None
    amounts: tuple[Amount, ...] = ()
    score: ScoreBand | None = None
    cautions: tuple[Caution, ...] = ()
    changes: tuple[Change, ...] = ()
    count: int = 1


@dataclass(frozen=True)
class Facts:
    """What is known of a study's revision: this, and nothing else, may leave the node's rooms.

    `modality` and `body_part` are coded; `age` is a band of years ("60 to 69", "over 89"); `sex` is "F", "M" or "O",
    and "" unless a rule allows it. `unread` counts models that ended without findings, `left_out` what was found and
    is no fact of these, since there would be too many or nothing can be said of it.
    """

    facts: tuple[Fact, ...]
    modality: str = ""
    body_part: str = ""
    age: str = ""
    sex: str = ""
    unread: int = 0
    left_out: int = 0

    def by_id(self) -> Mapping[str, Fact]:
        """Each fact by its id."""
        return {one.id: one for one in self.facts}

    def to_json(self) -> dict[str, Json]:
        """Plain JSON; `from_json` is its inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: JsonObject) -> "Facts":
        """The facts that `to_json` wrote; raises ValueError where it is none."""
        return record(cls, data)


class Part(StrEnum):
    """Where in a job's findings a fact comes from."""

    SEGMENT = "segment"
    REGION = "region"
    LIKELIHOOD = "likelihood"


@dataclass(frozen=True)
class FactSource:
    """What a fact was taken from; it stays on the node. `index` is the place in that tuple of the job's findings."""

    fact: str
    job: JobId
    part: Part
    index: int


class Author(StrEnum):
    """Who wrote an impression's words."""

    TEMPLATE = "template"
    LANGUAGE_MODEL = "language model"


class Topic(StrEnum):
    """What a sentence is for."""

    FINDING = "finding"
    NEGATIVE = "negative"  # what was looked for and is not reported
    MEASUREMENT = "measurement"
    CHANGE = "change"
    GUIDELINE = "guideline"  # what a rule of a guideline says of these facts, or what it lacks to say it
    CAUTION = "caution"


@dataclass(frozen=True)
class Sentence:
    """One sentence, whole and checked, and the ids of the facts that it rests on."""

    text: str
    facts: tuple[str, ...]
    topic: Topic = Topic.FINDING
    guideline: str = ""  # source and version of the rule that made it


@dataclass(frozen=True)
class Reference:
    """An article about what `facts` found, for who wants to read on: no sentence rests on it.

    `pmid` is its number in PubMed, `source` who told of it: a source of literature, or the node's own pack.
    """

    pmid: str
    title: str
    journal: str
    year: int
    facts: tuple[str, ...]
    source: str

    @property
    def said(self) -> str:
        """`[F1] Title. Journal 2017. PMID 28240562`, as every page of the results says it."""
        return f"[{'] ['.join(self.facts)}] {self.title}. {self.journal} {self.year}. PMID {self.pmid}"


@dataclass(frozen=True)
class LanguageModel:
    """Which language model wrote the words: the provider by the site's name for it, the model, the prompt's version."""

    provider: str
    model: str
    prompt: str


@dataclass(frozen=True)
class Impression:
    """Sentences that a reader may trust to say no more than the facts. `checker` is the version of the checks.

    `fallback` says in a few words why a template wrote it although a language model was asked. `references` are beside
    what is said, and no part of it.
    """

    sentences: tuple[Sentence, ...]
    author: Author
    checker: str
    language_model: LanguageModel | None = None
    fallback: str = ""
    references: tuple[Reference, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """Plain JSON; `from_json` is its inverse.

        Without references it says nothing of them: the UIDs of results derive from it, those of an earlier release too.
        """
        whole = asdict(self)
        return whole if self.references else {key: one for key, one in whole.items() if key != "references"}

    @classmethod
    def from_json(cls, data: JsonObject) -> "Impression":
        """The impression that `to_json` wrote; raises ValueError where it is none."""
        return record(cls, data)

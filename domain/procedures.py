"""What was asked for, and what a modality performed of it. No identity: accession numbers and ids stay in the files."""

from collections.abc import Mapping
from dataclasses import dataclass, field

#: A code as rules name it, SCHEME:VALUE: no value of a Coding Scheme Designator has a colon.
CODE = "{scheme}:{value}"


@dataclass(frozen=True)
class RequestedProcedure:
    """A requested procedure as routing may know it: coded terms, and what people wrote of it."""

    codes: tuple[str, ...] = ()
    description: str = ""
    reason: str = ""

    def without_texts(self) -> "RequestedProcedure":
        """With nothing that people wrote."""
        return RequestedProcedure(self.codes)

    def __bool__(self) -> bool:
        return bool(self.codes or self.description or self.reason)


#: Of a study of which nobody tells.
NOTHING = RequestedProcedure()


@dataclass(frozen=True)
class Performed:
    """What exists of a study, by who has it all: SOP Instance UIDs by Series Instance UID."""

    series: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def instances(self) -> int:
        """How many."""
        return sum(map(len, self.series.values()))


def code(scheme: str, value: str) -> str:
    """As rules name a code.

    >>> code("LN", "24627-2")
    'LN:24627-2'
    """
    return CODE.format(scheme=scheme, value=value)


def together(procedures: Mapping[str, RequestedProcedure]) -> RequestedProcedure:
    """Several requests that one study fulfils, as one: all codes, and the texts in the order of their names."""
    ordered = [procedures[name] for name in sorted(procedures)]
    return RequestedProcedure(
        codes=tuple(dict.fromkeys(one for each in ordered for one in each.codes)),
        description="; ".join(dict.fromkeys(each.description for each in ordered if each.description)),
        reason="; ".join(dict.fromkeys(each.reason for each in ordered if each.reason)),
    )

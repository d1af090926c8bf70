"""What makes a result itself: its identifiers and its moment, both functions of the input alone."""

from dataclasses import dataclass
from datetime import datetime, tzinfo

from domain.findings import Findings
from domain.ids import result_uid
from sr_writer.source import Source


@dataclass(frozen=True)
class Provenance:
    """Identifiers and moment of one run's results, the same for every retry.

    `moment` is when the content was made, in the zone that all times of the result are in.
    """

    study_uid: str
    model: str
    version: str
    package_digest: str
    input_digest: str
    moment: datetime

    def uid(self, part: str) -> str:
        """The UID of the thing that `part` names among this run's results: a name of codes, never of words."""
        return result_uid(self.study_uid, self.model, self.version, self.package_digest, self.input_digest, part)

    @property
    def date(self) -> str:
        """The moment's DA value."""
        return self.moment.strftime("%Y%m%d")

    @property
    def time(self) -> str:
        """The moment's TM value."""
        return self.moment.strftime("%H%M%S")

    @property
    def time_zone(self) -> str:
        """Timezone Offset From UTC (PS3.3 C.12.1.1.8)."""
        return self.moment.strftime("%z")[:5]


def provenance_of(findings: Findings, source: Source, content_time: datetime) -> Provenance:
    """The stamp of a run's results.

    Their times are in the source's zone, which also governs the study's date and time, else in `content_time`'s own.
    """
    moment, model = moment_in(source.time_zone, content_time), findings.model
    return Provenance(source.study_uid, model.name, model.version, model.digest, findings.input_digest, moment)


def moment_in(zone: tzinfo | None, moment: datetime) -> datetime:
    """An aware moment in the source's zone, which its date and time are in; in its own where the source states none."""
    if moment.tzinfo is None:
        raise ValueError("a moment of a result has no time zone")
    return moment.astimezone(zone) if zone else moment

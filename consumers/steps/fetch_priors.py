"""Asks archives for earlier studies of a patient, has them sent, and lets the jobs that wait for them go on.

A request is asked by one process at a time; what a process that died was asking is asked again by its next life. An
archive that does not answer is left alone for a while, so that a dead one costs no other study anything. Whether what
came is the same patient's no archive is believed: the marks of the images say it (store.priors.earlier_studies).
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from audit.actions import Action
from audit.trail import Ledger
from config.peers import Source
from consumers.steps.archives import Archives
from consumers.steps.earlier_inputs import chosen
from consumers.steps.shelve import shelve
from dicom_node.attributes.files import opened
from dicom_node.attributes.reader import text_of
from dicom_node.scu import sources
from dicom_node.scu.archived import ArchivedStudy, PatientKeys
from dicom_node.scu.fetch_spool import FetchSpool
from domain import priors as rules
from domain.clock import Clock, SystemClock
from domain.errors import Permanent, Retryable
from domain.ids import StudyId
from domain.priors import Candidate, Wanted
from domain.states import STUDY, StudyEvent
from models.registry import Package
from store import jobs, priors, studies
from store.database import is_for_data
from store.jobs import JOBS_CHANNEL
from store.objects import ObjectStore
from store.priors import PriorRequest, RequestState

_log = logging.getLogger(__name__)

_QUESTION = 20.0  # s that one question to an archive may take
# Studies that an archive names whose series are looked at: the newest may all have been of another part of the body.
_LOOKED_AT = 10
# s until another look at whether all that was sent has come.
_SOON = 0.25
_TAGS = ("PatientID", "IssuerOfPatientID", "PatientBirthDate", "StudyDate")


class PriorsFetcher:
    """One process's share of the requests. `archives` are the sources that have priors; `owner` is its name.

    `packages` gives those that are installed: what each compares with is chosen once all has come. What is fetched by
    HTTP goes `into` a spool.
    """

    def __init__(
        self,
        ledger: Ledger,
        objects: ObjectStore,
        archives: Sequence[Source],
        our_aet: str,
        owner: str,
        packages: Callable[[], Iterable[Package]],
        clock: Clock | None = None,
        into: FetchSpool | None = None,
    ) -> None:
        self._ledger = ledger
        self._objects = objects
        self._clock = clock or SystemClock()
        self._archives = Archives([one for one in archives if one.priors], self._clock, "earlier studies")
        self._our_aet = our_aet
        self._owner = owner
        self._packages = packages
        self._into = into
        self._begun = False

    def step(self) -> float | None:
        """Let go on what has come, and ask for one study; in how many seconds to look again, None: when one is asked.

        Raises Unavailable where the database does not answer.
        """
        if not self._begun:
            with self._ledger.database.transaction() as connection:
                priors.release(connection, self._owner)
            self._begun = True
        self._settle()
        with self._ledger.database.transaction() as connection:
            request = priors.claim(connection, self._owner)
        if request is not None:
            self._ask(request)
            return 0.0
        with self._ledger.database.transaction() as connection:
            coming = priors.open_requests(connection)
            over = priors.seconds_until_over(connection)
        return _SOON if coming else over

    def _settle(self) -> None:
        with self._ledger.database.transaction() as connection:
            found = priors.open_requests(connection)
        for request in found:
            # What comes after this look may be whole and not yet complete, and nothing incomplete is compared with.
            with self._ledger.database.transaction() as connection:
                here = priors.came(connection, request.sent)
            self._shelve(request)
            missing = [uid for uid, count in request.sent.items() if not _is_whole(here.get(uid), count)]
            if request.state is RequestState.COMING and not missing:
                self._answer(request, request.reason)
            elif not request.seconds:
                late = "what archives sent has not all come in time" if request.sent else "no archive answered in time"
                self._answer(request, late)

    def _shelve(self, request: PriorRequest) -> None:
        """What was fetched and is all here need not be silent for a while to be complete."""
        with self._ledger.transaction() as transaction:
            here = priors.came(transaction.connection, request.sent)
            whole = [here[uid][0] for uid, count in request.sent.items() if _is_whole(here.get(uid), count)]
            if not whole:
                return
            rows = studies.lock(transaction.connection, whole)
            fetched = priors.only_fetched(transaction.connection, whole)
            for row in rows.values():
                if row.id in fetched and (row.state, StudyEvent.SETTLED) in STUDY and not row.patient.two:
                    shelve(transaction, row, self._clock.now())

    def _answer(self, request: PriorRequest, reason: str) -> None:
        packages = list(self._packages())
        with self._ledger.transaction() as transaction:
            connection, study = transaction.connection, request.study_id
            jobs.lock(connection, study)
            compared = chosen(connection, study, [one for one in packages if one.name in request.wanted])
            priors.answer(connection, study, compared, reason)
            studied = {model: one.study for model, one in compared.items()}
            transaction.record(Action.PRIORS_ANSWERED, study, reason=reason, studies=studied)
            transaction.wake(JOBS_CHANNEL)

    def _ask(self, request: PriorRequest) -> None:
        until = self._clock.monotonic() + request.seconds
        asked = _Asked(self._ledger, self._archives, self._our_aet, request, self._clock, until, self._into)
        try:
            patient, date = self._patient(request.study_id)
            asked.ask(patient, date)
            said = asked.said()
        except (Permanent, Retryable) as error:
            said = error.sentence
        except Exception as error:  # what one study, or one archive, brings this to costs no other
            if not is_for_data(error):
                raise
            _log.error("earlier studies cannot be asked for", exc_info=error, extra={"study": request.study_id})
            said = f"they cannot be asked for: {type(error).__name__} in the node's own work"
        with self._ledger.transaction() as transaction:
            priors.note_sent(transaction.connection, request.study_id, asked.sent, said)
            numbers = {"studies": len(asked.sent), "images": sum(asked.sent.values())}
            transaction.record(Action.PRIORS_SENT, request.study_id, sources=asked.names, reason=said, **numbers)

    def _patient(self, study: StudyId) -> tuple[PatientKeys, str]:
        """Whom to ask for, and the study's date: read at this moment, of an image's file, and kept nowhere."""
        with self._ledger.database.transaction() as connection:
            keys = studies.one_image_of_each_series(connection, study)
        if not keys:
            raise Permanent("the study has no images any more")
        image = opened(self._objects.path(keys[0]), "an image", _TAGS)
        ident, issuer, born, date = (text_of(image, tag) for tag in _TAGS)
        return PatientKeys(ident, issuer, born), date


@dataclass
class _Asked:
    """One request, as archives answer it."""

    ledger: Ledger
    archives: Archives
    our_aet: str
    request: PriorRequest
    clock: Clock
    until: float
    into: FetchSpool | None = None
    sent: dict[str, int] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    def said(self) -> str:
        """What came of it, in words."""
        told = [*self.reasons, *self.archives.said()]
        if self.sent:
            told.insert(0, f"{len(self.sent)} earlier stud{'ies were' if len(self.sent) > 1 else 'y was'} sent")
        return "; ".join(dict.fromkeys(told)) or "no archive has an earlier study to compare with"

    def ask(self, patient: PatientKeys, date: str) -> None:
        """Have each archive send what the others did not have, as long as there is time."""
        wanted = rules.together(self.request.wanted)
        found: set[str] = set()
        for source in self.archives.asked():
            if len(found) >= wanted.newest or self._left() <= 0:
                return
            try:
                self.names.append(source.name)
                named = sources.studies_of(source, self.our_aet, patient, self._for_a_question())
                self._of_source(source, _candidates(named), date, wanted, found)
            except Retryable as error:
                self.reasons.append(f"{source.name}: {error.sentence}")
                self.archives.leave(source, error)

    def _of_source(
        self, source: Source, named: Sequence[Candidate], date: str, wanted: Wanted, found: set[str]
    ) -> None:
        fitting = rules.earlier(named, self.request.study_uid, date, wanted)[:_LOOKED_AT]
        with self.ledger.database.transaction() as connection:
            known = priors.here(connection, [one.uid for one in fitting])
        for one in fitting:
            if len(found) >= wanted.newest or self._left() <= 0:
                return
            if one.uid in found:
                continue
            if one.uid in known or self._fetched(source, one.uid, wanted):
                found.add(one.uid)

    def _fetched(self, source: Source, uid: str, wanted: Wanted) -> bool:
        """Whether the study has what is wanted, and the archive has sent it."""
        every = sources.series_of(source, self.our_aet, uid, self._for_a_question())
        series = [one for one in every if rules.may_be_read(one.modality, one.body_part, wanted)]
        if not series:
            return False
        with self.ledger.transaction() as transaction:
            host, _ = source.endpoint
            priors.expect(transaction.connection, self.request, uid, source.name, source.calling, host)
        wanted_series = [one.uid for one in series]
        came = sources.fetch(source, self.our_aet, uid, wanted_series, max(1.0, self._left()), self.into)
        if came.failed:
            self.reasons.append(f"{source.name} could not send {came.failed} images")
        if came.sent:
            self.sent[uid] = came.sent
        return came.sent > 0

    def _left(self) -> float:
        return self.until - self.clock.monotonic()

    def _for_a_question(self) -> float:
        return max(1.0, min(_QUESTION, self._left()))


def _candidates(named: Sequence[ArchivedStudy]) -> list[Candidate]:
    return [Candidate(one.uid, one.date, one.modalities) for one in named]


def _is_whole(here: tuple[StudyId, int, bool] | None, count: int) -> bool:
    return here is not None and here[1] >= count and here[2]

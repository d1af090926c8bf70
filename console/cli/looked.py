"""Who looks at results by a command, or for a patient, leaves an entry: once, however long `--watch` goes on."""

from audit.actions import Action
from domain.ids import StudyId
from store.database import Database


class Looked:
    """What the person at this command has looked at."""

    def __init__(self) -> None:
        self._known: set[object] = set()

    def at_results(self, source: Database, study: StudyId, form: str) -> None:
        """Record that they read what models found of a study, as `form`."""
        if study not in self._known:
            self._known.add(study)
            _record(source, Action.RESULTS_READ, study, form=form)

    def for_patient(self, source: Database, accession: str, patient_id: str) -> None:
        """Record that they looked for studies by one of these numbers, and never the number."""
        by = [name for name, typed in (("accession", accession), ("patient_id", patient_id)) if typed]
        if self._known.isdisjoint(by):
            self._known.update(by)
            _record(source, Action.PATIENT_SEARCHED, None, by=by)


def _record(source: Database, action: Action, study: StudyId | None, **details: object) -> None:
    from console.cli.user import ledger  # noqa: PLC0415 - most looks record nothing, and need not load what does

    ledger(source).record(action, study, **details)

"""Who looks at results by a command, or for a patient, leaves an entry: once, however long `--watch` goes on."""

from audit.actions import Action
from console.cli.user import ledger
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
            ledger(source).record(Action.RESULTS_READ, study, form=form)

    def for_patient(self, source: Database, accession: str, patient_id: str) -> None:
        """Record that they looked for studies by one of these numbers, and never the number."""
        by = [name for name, typed in (("accession", accession), ("patient_id", patient_id)) if typed]
        if self._known.isdisjoint(by):
            self._known.update(by)
            ledger(source).record(Action.PATIENT_SEARCHED, by=by)

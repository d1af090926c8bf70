"""A person wants another result of a model on the very same images: a new revision, with results that supersede."""

from datetime import datetime

from audit.actions import Action
from audit.trail import Ledger
from consumers.steps.decided import assemble_anew
from domain.errors import Permanent
from domain.ids import StudyId
from domain.states import StudyState
from store import deliveries, jobs, rejections, studies
from store.queries.standing import standing

_COMES_IN = "its instances still come in: the model is asked when it is complete"
_NO_IMAGES = "it has no images: dicom-node quarantine list, or conflicts list"
_NEVER = "{model} never ran on it: dicom-node explain STUDY says why, and dicom-node retry STUDY asks again"


def reprocess(ledger: Ledger, study: StudyId, model: str, reason: str, user: str, now: datetime) -> int:
    """Have `model` run once more, whatever its earlier runs gave; how many runs are superseded by it.

    The study is complete anew, so that every model is asked; what others found on the same images stays theirs. Raises
    Permanent while instances come in, where the model never ran, and where nothing is there to run it on.
    """
    with ledger.transaction() as transaction:
        connection = transaction.connection
        jobs.lock(connection, study)
        deliveries.lock(connection, study)
        rejections.lock(connection, study)
        row = studies.lock(connection, {study})[study]
        if row.state in (StudyState.RECEIVING, StudyState.AMENDED):
            raise Permanent(_COMES_IN)
        if not studies.size(connection, study)[1]:
            raise Permanent(_NO_IMAGES)
        before = standing(connection, study)
        earlier = jobs.have_done_anew(connection, study, model)
        if not earlier:
            raise Permanent(_NEVER.format(model=model))
        assemble_anew(transaction, row, row.patient, f"{model} is to run again: {reason}", now)
        why = {"model": model, "reason": reason, "user": user, "runs": earlier}
        transaction.record(Action.REPROCESSED, study, **why, **before.changed(connection))
    return earlier

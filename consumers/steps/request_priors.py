"""A model that compares was chosen: archives are asked for earlier studies, and its job waits for them for a while."""

from collections.abc import Callable, Mapping, Sequence

from audit.actions import Action
from audit.trail import Transaction
from consumers.steps.earlier_inputs import chosen
from domain.ids import StudyId
from models.registry import Package
from store import priors

#: Wakes whoever asks archives.
PRIORS_CHANNEL = "dicom_node_priors"
#: Called in the transaction in which models were chosen; how long (s) the job of each may wait.
AskPriors = Callable[[Transaction, StudyId, Sequence[Package]], Mapping[str, float]]


def no_priors(transaction: Transaction, study: StudyId, packages: Sequence[Package]) -> Mapping[str, float]:
    """For a node that has no archive to ask: its models compare with what is here, and wait for nothing."""
    if any(one.manifest.priors for one in packages):
        wanted = {one.name: one.manifest.priors.wanted for one in packages if one.manifest.priors}
        priors.ask(transaction.connection, study, wanted, 0.0)
        priors.answer(transaction.connection, study, chosen(transaction.connection, study, packages), "")
    return {}


def request_priors(transaction: Transaction, study: StudyId, packages: Sequence[Package]) -> Mapping[str, float]:
    """Have archives asked, once for all models of the study, whose jobs and which this transaction has locked."""
    wanted = {one.name: one.manifest.priors for one in packages if one.manifest.priors}
    if not wanted:
        return {}
    longest = max(one.deadline for one in wanted.values())
    left = priors.ask(transaction.connection, study, {name: one.wanted for name, one in wanted.items()}, longest)
    if left:
        transaction.record(Action.PRIORS_ASKED, study, models=sorted(wanted), seconds=round(left))
        transaction.wake(PRIORS_CHANNEL)
    return {name: min(left, one.deadline) for name, one in wanted.items()}

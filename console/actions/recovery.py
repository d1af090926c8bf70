"""What a person decides about a study; whoever `ledger` records for, and `user` in words, is who said so."""

from datetime import UTC, datetime

from audit.trail import Ledger
from config.settings import Settings
from console.actions.served import served
from consumers.steps import retry as retrying
from consumers.steps.cancel import Cancelled
from consumers.steps.cancel import cancel as cancelling
from consumers.steps.hold import hold as holding
from consumers.steps.hold import release as releasing
from consumers.steps.reprocess import reprocess as reprocessing
from consumers.steps.retry import Retried
from domain.errors import ConfigurationError
from domain.ids import StudyId
from models.installed import folder, installed


def retry(ledger: Ledger, settings: Settings, study: StudyId) -> Retried:
    """Try it again: its dead letters, its models, and what was refused or waits. Raises Permanent while it comes in."""
    return retrying.retry(ledger, study, installed(settings), datetime.now(UTC), served(settings))


def cancel(ledger: Ledger, settings: Settings, study: StudyId, reason: str, user: str) -> Cancelled:
    """End what is not yet done of it. Raises Permanent where there is nothing to end."""
    return cancelling(ledger, study, reason, user, datetime.now(UTC), served(settings))


def reprocess(ledger: Ledger, settings: Settings, study: StudyId, model: str, reason: str, user: str) -> int:
    """Run a model once more on what it has had; how many earlier runs count no more then.

    Raises ConfigurationError where the node has no such model, Permanent where it never ran on the study.
    """
    known_model(settings, model)
    return reprocessing(ledger, study, model, reason, user, datetime.now(UTC))


def known_model(settings: Settings, model: str) -> None:
    """Raise ConfigurationError where the node has no package of this name."""
    known = sorted({one.name for one in installed(settings)})
    if model not in known:
        raise ConfigurationError(f"there is no model {model!r} in {folder(settings)}; known are {', '.join(known)}")


def hold(ledger: Ledger, study: StudyId, reason: str, user: str) -> int:
    """Keep it: nothing of it is removed from now on; how many of its images are there."""
    return holding(ledger, study, reason, user)


def release(ledger: Ledger, study: StudyId, user: str) -> None:
    """End a hold; raises Permanent where it is under none."""
    releasing(ledger, study, user)

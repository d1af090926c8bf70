"""Which releases of models the node knows: one that is new is an entry, for what reads images has changed by it."""

from collections.abc import Sequence

from audit.actions import Action
from audit.trail import Transaction
from models.provenance import provenance
from models.registry import Package, releases
from store import packages as known_packages
from store.packages import Release


def register_packages(transaction: Transaction, packages: Sequence[Package]) -> set[Release]:
    """Keep and record the releases that are new; those of `packages` that are known under another digest."""
    registered = known_packages.register(transaction.connection, releases(packages))
    for one in packages:
        if one.release in registered.added:
            digests = {"model_digest": one.digest, "weights_digest": provenance(one).weights}
            transaction.record(Action.MODEL_ADDED, model=one.name, version=one.release[1], **digests)
    return registered.changed

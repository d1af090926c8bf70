"""What a role with a database does around its work: it waits for the schema, and records its start and its stop."""

import logging
import os
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version

from audit.actions import Action
from audit.trail import Ledger, Transaction
from config import masking
from config.differences import differences
from config.settings import Settings
from domain.errors import ConfigurationError, NodeError, Unavailable
from domain.stopping import loop_until
from roles.certificates import publish_certificates
from roles.clock_offset import clock_offset, told_daily
from roles.process import Context, Role
from roles.trail_guards import refuse_alterable
from store import role_settings
from store.database import Database, MissingRight
from store.grants import role_of
from store.queries.schema import schema_is_ready
from store.trail_guards import Fault

_log = logging.getLogger(__name__)
_BETWEEN = 0.3  # s between two attempts to begin
_SCHEMA = "the database's schema (dicom-node database upgrade)"


def ledger(name: str, settings: Settings) -> Ledger:
    """Where the role `name` commits; raises ConfigurationError where it was given no database."""
    if settings.database.url is None:
        raise ConfigurationError(
            f"the role {name} needs a database: give --database URL, or let `dicom-node up` run one for all roles"
        )
    return Ledger(Database(settings.database.url.get_secret_value(), role=role_of(name)), name)


def run_recorded(role: Role, context: Context) -> None:
    """Wait for the database and its schema, live as `role`, and record both ends."""
    publish_certificates(context.settings)
    try:
        if not _begin(context):
            return
        _log.info("started")
        if context.reloading is not None:
            context.reloading.taken_by(partial(_record_reload, context))
        try:
            with told_daily(context.ledger):
                role(context)
        except NodeError as error:
            _end(context, type(error).__name__)
            raise
        _end(context, "asked to")
        _log.info("stopped")
    finally:
        context.database.close()


def _begin(context: Context) -> bool:
    """Wait for the database and record the start; False when the process is to stop before that."""
    said = ""
    for _ in loop_until(context.stop, _BETWEEN):
        try:
            if _schema_is_there(context):
                _record_start(context, refuse_alterable(context.database, context.settings))
                context.health.ready("PostgreSQL")
                return True
        except Unavailable as error:
            if isinstance(error, MissingRight) and str(error) != said:
                said = str(error)
                _log.error("%s", said)
            context.health.waiting("PostgreSQL", error.sentence)
    return False


def _schema_is_there(context: Context) -> bool:
    there = schema_is_ready(context.database)
    context.health.ready("PostgreSQL")
    (context.health.ready if there else context.health.waiting)(_SCHEMA)
    return there


def _record_start(context: Context, alterable: Sequence[Fault]) -> None:
    known = {"trail_may_be_altered": [one.said for one in alterable]} if alterable else {}
    with context.ledger.transaction() as transaction:
        said = {"version": version("dicom-node"), "process": os.getpid(), "clock": clock_offset(), **known}
        transaction.record(Action.STARTED, None, **said)
        _record_settings(transaction, context.settings, context.ledger.role)


def _record_settings(transaction: Transaction, settings: Settings, role: str) -> None:
    """What has changed since the role's last start or reload; at its first what is not as by default."""
    now = masking.public(settings)
    before = role_settings.replace(transaction.connection, role, now)
    changes = differences(masking.public(Settings()) if before is None else before, now)
    since = "the defaults" if before is None else "its last start or reload"
    transaction.record(Action.CONFIGURED, settings=masking.digest(settings), changes=changes, since=since)


def _record_reload(context: Context, settings: Settings) -> None:
    """What a process has taken over as it stands; where the database is away its next start tells it."""
    try:
        with context.ledger.transaction() as transaction:
            _record_settings(transaction, settings, context.ledger.role)
    except Unavailable as error:
        _log.warning("the reload could not be recorded: %s", error)


def _end(context: Context, reason: str) -> None:
    try:
        context.ledger.record(Action.STOPPED, reason=reason, process=os.getpid())
    except Unavailable as error:
        _log.warning("the stop could not be recorded: %s", error)

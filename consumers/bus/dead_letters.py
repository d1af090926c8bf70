"""Events that no attempt could handle: kept as dead letters with everything that hangs on them, listed, and replayed.

Only what the node announced becomes one. A dead letter is a row, a message on the dead-letter topic, two entries on the
trail, and a study that is stuck with the reason. `replay` undoes what holds it up and announces the same event again,
for the one group that failed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from audit.actions import Action
from audit.trail import Ledger
from consumers.bus.announced import envelope
from consumers.bus.protocol import Message
from consumers.steps import stuck
from domain.errors import NodeError, Permanent
from domain.events import Event, EventType, read_id
from domain.ids import StudyId
from domain.records import DeadLetter, Listed
from store import outbox
from store.database import Connection, Database
from store.unit_of_work import DEAD_LETTERS_TOPIC, EVENTS_TOPIC

_NOT_ANNOUNCED = "the node announced no such event: nothing is handled again"
_QUOTED = 100_000  # characters; the topic's copy stays below a broker's limit for a message, the row keeps all


class TooManyDeadLetters(NodeError):
    """So many messages failed that the fault is ours and not theirs; a person must look before there are more."""


@dataclass(frozen=True)
class DeadLetterLimit:
    """How many dead letters a group may make within `window`, in however many lives of its processes.

    One message that cannot be handled is a matter of that message. Many in a row are a matter of the node (a model that
    is not there, a defect of a release), and setting all of them aside would only hide it and stop every study.
    """

    letters: int
    window: timedelta


DEAD_LETTER_LIMIT = DeadLetterLimit(letters=20, window=timedelta(minutes=10))


def set_aside(
    ledger: Ledger,
    group: str,
    message: Message,
    error: NodeError,
    attempts: int,
    at: datetime,
    limit: DeadLetterLimit | None = None,
) -> int:
    """Make `message` a dead letter of `group` and return its number, 0 where it was one already.

    All in one transaction: the row, the study stuck with the reason, its event, the entries, the mark that the group is
    done with it, and the message for the dead-letter topic. Raises TooManyDeadLetters beyond `limit` and Unfounded
    where the node announced no such event, and then nothing is changed; Unavailable.
    """
    reason = _plain(str(error))
    with ledger.transaction() as transaction:
        kept = envelope(transaction.connection, message)
        event, mark, text = _event(kept), read_id(kept["id"]), _plain(json.dumps(kept))
        if not outbox.mark_handled(transaction.connection, group, mark, at):
            return 0
        if limit is not None:
            _keep_within(transaction.connection, group, limit)
        number = outbox.add_dead_letter(
            transaction.connection,
            reader=group,
            message=text,
            event_id=mark,
            study_id=event.study_id if event else None,
            error=reason,
            attempts=attempts,
        )
        transaction.forward(_topic_row(number, group, kept, text, error, attempts, at))
        details = {"letter": number, "group": group, "reason": reason, "attempts": attempts}
        transaction.record(Action.DEAD_LETTER, event.study_id if event else None, event=str(mark), **details)
        if event is not None and event.type is not EventType.STUDY_STUCK:
            stuck.stop(transaction, event.study_id, stuck.Cause.EVENT, reason, at)
    return number


def list_dead_letters(database: Database) -> list[DeadLetter]:
    """Every dead letter, the oldest first; `replayed_at` tells which were given another chance. Raises Unavailable."""
    with database.transaction() as connection:
        return outbox.all_dead_letters(connection)


def newest_dead_letters(database: Database, most: int) -> Listed[DeadLetter]:
    """The newest dead letters, the oldest of them first, and how many are older. Raises Unavailable."""
    with database.transaction() as connection:
        return outbox.newest_dead_letters(connection, most)


def replay(ledger: Ledger, number: int, at: datetime) -> DeadLetter:
    """Let the group that failed handle this dead letter's event again; other groups know it from their inbox.

    The study leaves `stuck` once nothing else of it is a dead letter or has failed. A letter of what the node never
    announced, as an earlier release kept them, is closed, and nothing is announced. Raises Permanent where there is no
    such dead letter, it was replayed before, or its message cannot be read as an event; Unavailable.
    """
    with ledger.transaction() as transaction:
        letter = outbox.take_dead_letter(transaction.connection, number)
        if letter.replayed_at is not None:
            raise Permanent(f"dead letter {number} was replayed before; if it failed again it has a new number")
        if letter.event_id is None or letter.study_id is None:
            raise Permanent(f"dead letter {number} cannot be read as an event, so nothing can be replayed")
        outbox.mark_replayed(transaction.connection, number, at)
        kept = outbox.announced(transaction.connection, letter.event_id)
        true = kept == json.loads(letter.message)
        if true:
            outbox.forget_handled(transaction.connection, letter.reader, letter.event_id)
            transaction.forward(
                {"event_id": letter.event_id, "key": str(letter.study_id), "topic": EVENTS_TOPIC, "envelope": kept}
            )
        about = {"letter": number, "group": letter.reader, "event": str(letter.event_id)}
        transaction.record(Action.REPLAYED, letter.study_id, **about, **({} if true else {"reason": _NOT_ANNOUNCED}))
        stuck.release_if_nothing_is_left(transaction, StudyId(letter.study_id), "its event is handled again", at)
    return letter


def _keep_within(connection: Connection, group: str, limit: DeadLetterLimit) -> None:
    """Asks the database, for a process that was started anew knows nothing of the letters before."""
    if outbox.recent_dead_letters(connection, group, limit.window) >= limit.letters:
        minutes = limit.window.total_seconds() / 60
        raise TooManyDeadLetters(
            f"{limit.letters} events were set aside within {minutes:g} minutes: see the dead letters"
        )


def _topic_row(
    number: int, group: str, kept: Mapping[str, object], text: str, error: NodeError, attempts: int, at: datetime
) -> dict[str, object]:
    letter = {
        "letter": number,
        "group": group,
        "error": type(error).__name__,
        "attempts": attempts,
        "at": at.isoformat(),
        "message": text[:_QUOTED],
    }
    # Whoever may announce may have announced what has no subject: that costs a letter, and not the group.
    key = str(kept.get("subject", ""))
    return {"event_id": kept["id"], "key": key, "topic": DEAD_LETTERS_TOPIC, "envelope": letter}


def _event(kept: Mapping[str, object]) -> Event | None:
    """None where this release cannot read it, as what a newer one announced."""
    try:
        return Event.from_envelope(kept)
    except Permanent:
        return None


def _plain(text: str) -> str:
    """PostgreSQL's text holds no NUL, and UTF-8 no half of a surrogate pair, as a name of a file may."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")

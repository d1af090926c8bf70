"""Where the keys lie that sign the trail's checkpoints, and which of them this machine trusts."""

from datetime import UTC, datetime

from audit.keys import KeyFolder, new_origin
from audit.notes import VerifierKey
from config.settings import Settings
from roles.parts import SEAL


def key_folder(settings: Settings) -> KeyFolder:
    """The folder that a setting names, else the data folder's."""
    return KeyFolder(settings.audit.keys or settings.data / SEAL)


def begin_another_log(settings: Settings, user: str) -> None:
    """Give a data folder that was restored a key of a log of its own: it has not what was signed behind the backup.

    Which keys signed until then it knows, where the backup had them. Keys that somebody keeps elsewhere go on.
    """
    if settings.audit.keys is None and key_folder(settings).known():
        key_folder(settings).make(datetime.now(UTC), user, new_origin(), lost=True)


def trusted_keys(settings: Settings) -> list[VerifierKey]:
    """The verifier keys of the node, as far as they lie here: no database can have changed them."""
    return [one.verifier for one in key_folder(settings).known()]

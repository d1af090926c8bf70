"""Where the keys lie that sign the trail's checkpoints, and which of them this machine trusts."""

from audit.keys import KeyFolder
from audit.notes import VerifierKey
from config.settings import Settings
from roles.parts import SEAL


def key_folder(settings: Settings) -> KeyFolder:
    """The folder that a setting names, else the data folder's."""
    return KeyFolder(settings.audit.keys or settings.data / SEAL)


def trusted_keys(settings: Settings) -> list[VerifierKey]:
    """The verifier keys of the node, as far as they lie here: no database can have changed them."""
    return [one.verifier for one in key_folder(settings).known()]

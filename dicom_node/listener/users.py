"""Who speaks for a caller: User Identity Negotiation by a passcode or a token (PS3.7 D.3.3.7)."""

import os
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

from config.secret_files import secret_in
from config.tls import UserIdentity
from dicom_node.listener.associate import ProposedIdentity
from dicom_node.outside import words
from dicom_node.scrypt import NOBODY, Digest
from domain.errors import ConfigurationError, NodeError

# Types of user identity (PS3.7 table D.3-14).
_PASSCODE, _TOKEN = 2, 5
_SETTING = "listener.user_identity.passcodes"


class UnknownUser(NodeError):
    """Nobody whom the caller may be; says what is wrong, and nothing of what was given."""


class Users:
    """Who knows them; files are read at each call, so that a user who is taken out of one is out."""

    def __init__(self, settings: UserIdentity) -> None:
        self._settings = settings

    def known(self, wanted: AbstractSet[str], given: ProposedIdentity | None) -> str:
        """The user, one of `wanted`, that `given` proves; raises UnknownUser."""
        if given is None:
            raise UnknownUser("the caller has to say which user it is, and did not (user identity)")
        if given.kind == _PASSCODE:
            user = self._by_passcode(given)
        elif given.kind == _TOKEN:
            user = self._by_token(given)
        else:
            raise UnknownUser(f"a user identity of type {given.kind} proves nothing here: 2 (passcode) or 5 (JWT)")
        if user not in wanted:
            raise UnknownUser("the user is none of those whom this caller may be")
        return user

    def _by_passcode(self, given: ProposedIdentity) -> str:
        user = given.primary.decode("utf-8", "replace")
        if self._settings.passcodes is None:
            raise UnknownUser(f"no passcode is known: {_SETTING} is not given")
        try:
            lines = secret_in(self._settings.passcodes, _SETTING).splitlines()
        except ConfigurationError as error:
            raise UnknownUser(str(error)) from error
        if not _kept(lines, user).is_of(given.secondary):
            raise UnknownUser("user or passcode is wrong")
        return user

    def _by_token(self, given: ProposedIdentity) -> str:
        from dicom_node.tls.tokens import WrongToken, subject  # noqa: PLC0415 - few callers have one

        try:
            return words(subject(given.primary, self._settings))
        except (WrongToken, ConfigurationError) as error:
            raise UnknownUser(str(error)) from error


def keep_passcode(file: Path, user: str, passcode: str) -> None:
    """Write what proves `passcode` into `file`, for its owner alone; raises ConfigurationError."""
    if not user or not user.isprintable() or ":" in user or not passcode:
        raise ConfigurationError("a user is a name without a colon, and a passcode has a letter at least")
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        before = file.read_text("utf-8").splitlines() if file.exists() else []
        kept = [line for line in before if line.rpartition(":")[0] != user]
        draft.touch(mode=0o600, exist_ok=False)
        made = f"{user}:{Digest.of(passcode.encode())}"
        draft.write_text("".join(f"{line}\n" for line in (*kept, made)), encoding="utf-8")
        draft.replace(file)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error.strerror}") from error


def _kept(lines: Sequence[str], user: str) -> Digest:
    """What proves the user; of one who is not there, or whose line is damaged, nothing does."""
    held = dict(line.rsplit(":", 1) for line in lines if ":" in line)
    try:
        return Digest.read(held[user])
    except (KeyError, ValueError):
        return NOBODY

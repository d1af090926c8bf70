"""Which of the files that the settings name the service's user cannot read: root, who checks them, reads them all."""

import grp
import os
import pwd
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from config.settings import Settings
from config.sources import Fault
from config.toml_lines import KeyPath
from console.cli.service_files import SETTINGS, USER


@dataclass(frozen=True)
class _Reader:
    """Whom the service runs as, and its groups."""

    user: pwd.struct_passwd
    groups: frozenset[int]

    def may(self, place: Path, bit: int) -> bool:
        """Whether it has the right `bit` (4: read, 1: pass) there; of what is not there others tell."""
        try:
            held = place.stat()
        except OSError:
            return True
        shift = 6 if held.st_uid == self.user.pw_uid else 3 if held.st_gid in self.groups else 0
        return bool(held.st_mode >> shift & bit)

    def refusal(self, file: Path) -> str:
        """Why it cannot read the file, and what to do; "" where it can."""
        said, named = f"the service's user {self.user.pw_name} cannot read {file}", quote(str(file))
        closed = [one for one in reversed(file.absolute().parents) if not self.may(one, 1)]
        if closed:
            return f"{said}, for it may not pass {closed[0]}: a place for it is {SETTINGS.parent}"
        if not self.may(file, 4):
            group = grp.getgrgid(self.user.pw_gid).gr_name
            return f"{said}: sudo chown root:{group} {named}, sudo chmod 640 {named}"
        return ""


def closed_to_the_service(file: Path, settings: Settings) -> Iterator[Fault]:
    """The settings file itself, without which it ends at its next start, and what it names."""
    try:
        user = pwd.getpwnam(USER)
        reader = _Reader(user, frozenset(os.getgrouplist(user.pw_name, user.pw_gid)))
    except KeyError:
        return
    for path, one in (((), file), *_named(settings)):
        if said := reader.refusal(one):
            yield Fault(f"{'.'.join(map(str, path))}: {said}" if path else said, (path,) if path else ())


def _named(settings: Settings) -> Iterator[tuple[KeyPath, Path]]:
    singles = {
        "database": ("url_file",),
        "identity": ("key_file",),
        "bus": ("ca", "password_file", "token_file"),
        "models": ("rules",),
    }
    for section, names in singles.items():
        for name in names:
            if (file := getattr(getattr(settings, section), name)) is not None:
                yield (section, name), file
    yield from ((("models", "trusted_keys"), one) for one in settings.models.trusted_keys)
    for number, caller in enumerate(settings.web.callers):
        files = {"password_file": caller.password_file, "token_file": caller.token_file}
        yield from ((("web", "callers", number, name), file) for name, file in files.items() if file is not None)
    for setting in ("language_models", "vision_models"):
        for number, model in enumerate(getattr(settings, setting)):
            yield from (((setting, number, "key_files"), one) for one in model.key_files)

"""Which settings a node that runs takes over when it is told to, and which wait for a restart: pure.

Who takes a setting over is a role; it does so as it stands, or begins anew with it. What no role is named for waits.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, Secret

from config.contradictions import contradictions
from config.settings import Settings
from domain.errors import ConfigurationError

M = TypeVar("M", bound=BaseModel)

# Taken over by a process that goes on as it is: no association ends for a new caller.
_TLS = ("certificate", "key", "ca", "require_certificate", "minimum")
_USERS = ("passcodes", "token_key", "token_issuer", "token_audience")
AS_IT_STANDS = frozenset(
    {
        *("listener.callers", "listener.trust_loopback", "web.callers", "web.trust_loopback", "logging.level"),
        *(f"{door}.tls.{name}" for door in ("listener", "web") for name in _TLS),
        *(f"listener.user_identity.{name}" for name in _USERS),
    }
)
# Taken over by roles that begin anew, whose work is leased and goes on with their next life; the longest name counts.
ANEW: Mapping[str, frozenset[str]] = {
    "assembly": frozenset({"assemble"}),
    "destinations": frozenset({"write", "deliver"}),
    "sources": frozenset({"assemble", "follow"}),
    "profiles": frozenset({"write", "deliver"}),
    "delivery": frozenset({"deliver"}),
    "retention": frozenset({"retain"}),
    "audit.receivers": frozenset({"forward"}),
    "audit": frozenset({"seal"}),
    "language_models": frozenset({"summarise"}),
    "summary": frozenset({"summarise"}),
    # Who asks for impressions; `up` begins or ends the role that writes them.
    "summary.enabled": frozenset({"assemble", "work"}),
    "vision_models": frozenset({"work"}),
    "literature": frozenset({"summarise"}),
    "access": frozenset({"serve"}),
    "models": frozenset({"assemble", "work"}),
    # How many workers there are.
    "models.device": frozenset(),
}


@dataclass(frozen=True)
class Change:
    """What differs between the settings in force and those that were read now.

    `settings` are those in force with all of `taken`; `anew` names the roles that begin anew.
    """

    settings: Settings
    taken: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    anew: frozenset[str] = frozenset()


def compared(force: Settings, read: Settings) -> Change:
    """What of `read` can be taken over by a node that goes by `force`.

    Raises ConfigurationError where that would contradict what waits for a restart.
    """
    names = list(_changed(force, read))
    taken = tuple(name for name in names if (name in AS_IT_STANDS or _who(name)) and not _opens(name, force, read))
    settings = taken_over(force, read, taken).given_at(force.origins.taking(taken, read.origins))
    if said := list(contradictions(settings)):
        raise ConfigurationError(*(f"with what waits for a restart: {one.said}" for one in said))
    waiting = tuple(name for name in names if name not in taken)
    return Change(settings, taken, waiting, frozenset(role for name in taken for role in _who(name)))


def taken_over(base: Settings, read: Settings, names: tuple[str, ...]) -> Settings:
    """`base` with these settings of `read`."""
    for name in names:
        base = _with(base, read, name.split("."))
    return base


def _with(base: M, read: M, path: list[str]) -> M:
    first, *rest = path
    value = getattr(read, first)
    return base.model_copy(update={first: _with(getattr(base, first), value, rest) if rest else value})


def _opens(name: str, force: Settings, read: Settings) -> bool:
    """Whether it opens or closes a port: that is for a restart."""
    for door, before, after in (
        ("listener", force.listener.tls.certificate, read.listener.tls.certificate),
        ("web", force.web.tls.certificate, read.web.tls.certificate),
    ):
        if name.startswith(f"{door}.tls.") and (before is None) != (after is None):
            return True
    return False


def _who(name: str) -> frozenset[str]:
    parts = name.split(".")
    longest = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    return next((ANEW[one] for one in longest if one in ANEW), frozenset())


def _changed(old: BaseModel, new: BaseModel, above: str = "") -> Iterator[str]:
    for field in type(old).model_fields:
        before, after = getattr(old, field), getattr(new, field)
        if isinstance(before, BaseModel) and isinstance(after, BaseModel):
            yield from _changed(before, after, f"{above}{field}.")
        elif before != after and not _was_forgotten(before, after):
            yield f"{above}{field}"


def _was_forgotten(before: object, after: object) -> bool:
    """A secret that was a variable is none any more: the process has taken it out of its environment."""
    return after is None and isinstance(before, Secret)

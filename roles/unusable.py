"""Settings with which no role could do its work, found by looking at what they name: before `up` is ready it ends."""

from collections.abc import Iterator
from importlib.util import find_spec

from config.places import in_container
from config.settings import Settings
from config.sources import Fault
from domain.errors import ConfigurationError
from roles import named_files

_OF_PEOPLE = ("fastapi", "uvicorn", "jwt", "authlib", "argon2")


def unusable(settings: Settings) -> Iterator[Fault]:
    """URLs that are none, keys that are none, and doors that could not open for want of a file."""
    yield from _urls(settings)
    yield from _keys(settings)
    yield from named_files.of_doors(settings)
    yield from _people(settings)


def _people(settings: Settings) -> Iterator[Fault]:
    """In Compose the service that has the extra is another than the one that checks."""
    missing = [name for name in _OF_PEOPLE if find_spec(name) is None]
    if settings.console.enabled and missing:
        said = f"console.enabled: the API needs the extra people ({', '.join(missing)} is missing)"
        yield Fault(f"{said}: pip install 'dicom-node[people]'", (("console", "enabled"),), certain=not in_container())


def _urls(settings: Settings) -> Iterator[Fault]:
    for name in ("url", "owner_url"):
        if (url := getattr(settings.database, name)) is None:
            continue
        # The database's libraries take longer to import than a scanner should wait.
        from store.database import server_at  # noqa: PLC0415

        try:
            server_at(url.get_secret_value())
        except ConfigurationError as error:
            yield Fault(f"database.{name}: {error}", (("database", name), ("database", f"{name}_file")))


def _keys(settings: Settings) -> Iterator[Fault]:
    for number, place in enumerate(settings.models.trusted_keys):
        from models.signing import trusted_keys  # noqa: PLC0415 - as above

        try:
            trusted_keys([place])
        except ConfigurationError as error:
            yield Fault(f"models.trusted_keys: {error}", (("models", "trusted_keys", number),))

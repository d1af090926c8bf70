"""What is wrong about the trail's outside places, each beside its kind: pure."""

from collections.abc import Iterator, Mapping

from config.audit import Witness
from config.settings import Settings
from config.sources import Fault
from config.toml_lines import element

# Of each kind what it needs, and what else it may have.
_NEEDED: Mapping[str, tuple[str, ...]] = {"file": ("file",), "s3": ("bucket",), "syslog": ("host",), "http": ("url",)}
_MAY: Mapping[str, tuple[str, ...]] = {
    "file": (),
    "s3": ("url", "prefix", "region", "access_file", "lock_days", "ca"),
    "syslog": ("port", "transport", "ca", "certificate", "certificate_key"),
    "http": ("key", "token_file", "ca"),
}
_OF_ALL = {"name", "kind", "every", "timeout"}


def of_witnesses(settings: Settings) -> Iterator[Fault]:
    """Places that lack what their kind needs, have what it does not use, or share a name, by which they are known."""
    known = settings.audit.witnesses
    for number, one in enumerate(known):
        where, path = f"audit.witnesses.{element(one.name, number)}", ("audit", "witnesses", number)
        for name in _NEEDED[one.kind]:
            if not getattr(one, name):
                yield Fault(f"{where}.{name}: is not given, and kind {one.kind} needs it", ((*path, name), path))
        for name in sorted(_given(one) - {*_NEEDED[one.kind], *_MAY[one.kind]}):
            yield Fault(f"{where}.{name}: is set, and kind {one.kind} does not use it", ((*path, name),))
        if (one.certificate is None) != (one.certificate_key is None):
            yield Fault(f"{where}: certificate and certificate_key belong together", (path,))
        if one.token_file is not None and (one.url or "").startswith("http:"):
            said = f"{where}.token_file: whoever listens on the way learns the token: give an https URL"
            yield Fault(said, ((*path, "token_file"), (*path, "url")))
        if one.name in {earlier.name for earlier in known[:number]}:
            yield Fault(
                f"{where}: another place has this name, by which how far it was told is kept", ((*path, "name"),)
            )


def _given(one: Witness) -> set[str]:
    """What the settings say of it, beyond what every kind has."""
    return {name for name in one.model_fields_set if getattr(one, name) not in (None, "")} - _OF_ALL

"""What is wrong between settings of TLS: pure, as config.contradictions."""

from collections.abc import Iterator

from config.peers import Peer
from config.settings import Settings
from config.sources import Fault
from config.toml_lines import element


def of_listener(settings: Settings) -> Iterator[Fault]:
    """A door that has all that it needs; callers who can come by one of those that are open."""
    listener, tls = settings.listener, settings.listener.tls
    if tls.certificate is None:
        yield from _without_tls(settings)
        return
    if tls.key is None:
        yield _between("listener.tls.key is not given: the key of listener.tls.certificate", "listener.tls")
    if tls.require_certificate and tls.ca is None:
        said = "listener.tls.ca is not given: the authorities that signed the senders' certificates"
        yield _between(said, "listener.tls", "listener.tls.require_certificate")
    for name, port in (("listener.port", listener.port * listener.plain), ("http.port", settings.http.port)):
        if port and port == tls.port:
            yield _between(f"listener.tls.port ({port}) is {name}: 2762 would fit", "listener.tls.port", name)


def _without_tls(settings: Settings) -> Iterator[Fault]:
    listener = settings.listener
    for name in ("key", "ca"):
        if getattr(listener.tls, name) is not None:
            said = f"listener.tls.{name} is given and listener.tls.certificate is not: TLS is on with a certificate"
            yield _between(said, f"listener.tls.{name}")
    if not listener.plain:
        said = "listener.plain is false and listener.tls.certificate is not given: nobody may send"
        yield _between(said, "listener.plain", "listener.tls")
    for number, one in enumerate(listener.callers):
        if one.certificate is not None or one.address is None or one.users:
            has = "a certificate" if one.certificate else "users" if one.users else "no address"
            said = (
                f"listener.callers.{number}: {one.aet} can call by TLS alone, having {has}, and"
                " listener.tls.certificate is not given"
            )
            yield Fault(said, (("listener", "callers", number),))


def of_users(settings: Settings) -> Iterator[Fault]:
    """Who has to say who he is can do so."""
    identity = settings.listener.user_identity
    tokens = [identity.token_key, identity.token_issuer, identity.token_audience]
    if any(tokens) and not all(tokens):
        said = "listener.user_identity: token_key, token_issuer and token_audience belong together"
        yield _between(said, "listener.user_identity")
    if identity.passcodes is None and not all(tokens):
        for number, one in enumerate(settings.listener.callers):
            if one.users:
                said = (
                    f"listener.callers.{number}: {one.aet} has users, and listener.user_identity has neither passcodes"
                    " nor token_key: nobody can be one of them"
                )
                yield Fault(said, (("listener", "callers", number, "users"),))


def of_peers(settings: Settings) -> Iterator[Fault]:
    """What is given for TLS is used, and who proves himself by a secret does so where nobody can read it."""
    for kind, peers in (("destinations", settings.destinations), ("sources", settings.sources)):
        for number, peer in enumerate(peers):
            where, path = f"{kind}.{element(peer.name, number)}", (kind, number)
            yield from (Fault(f"{where}.{name}: {said}", ((*path, name), path)) for name, said in _of_peer(peer))


def _of_peer(peer: Peer) -> Iterator[tuple[str, str]]:
    """A setting of it, and what is wrong with that."""
    if peer.kind != "dicom":
        useless = ("tls", "server_name", *([] if peer.url.startswith("https:") else ["certificate", "key"]))
        for name in _given(peer, *useless):
            yield name, f"is of no use to a peer of kind {peer.kind}: its url says what is spoken"
    elif not peer.tls:
        for name in _given(peer, "ca", "certificate", "key", "server_name"):
            yield name, "is given and tls is false: nothing would use it"
        for name in _given(peer, "user", "password_file", "token_file"):
            yield name, "is given and tls is false: whoever listens would learn it"
    if peer.password_file and not peer.user:
        yield "password_file", "is given and user is not: whose password is it?"
    if peer.kind != "dicom" and peer.user and not (peer.password_file or peer.token_file):
        yield "user", "is given and password_file is not: a user has no other proof"
    if peer.kind != "dicom" and peer.url.startswith("http:"):
        return
    pair = _given(peer, "certificate", "key")
    if len(pair) == 1:
        yield pair[0], "is given by itself: certificate and key belong together"


def _given(peer: Peer, *names: str) -> list[str]:
    return [name for name in names if getattr(peer, name)]


def _between(said: str, *names: str) -> Fault:
    return Fault(said, tuple(tuple(name.split(".")) for name in names))

"""Who may associate, and for what: pure decisions on a decoded request, the first on its fixed fields alone.

Order and codes of rejections follow PS3.8 table 9-21 and the results of contexts table 9-18.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

from config.settings import Caller, Listener
from dicom_node.listener.associate import (
    APPLICATION_CONTEXT,
    AnsweredContext,
    AssociateRequest,
    ProposedContext,
    RequestHead,
)
from dicom_node.listener.services import TRANSFER_SYNTAXES, Service
from dicom_node.pdu import AbortReason, ProtocolError
from dicom_node.syntaxes import VERIFICATION, storage_sop_classes, transfer_syntaxes
from dicom_node.tls.peers import Secured

ACCEPTED, USER_REJECTION, NO_ABSTRACT_SYNTAX, NO_TRANSFER_SYNTAX = 0, 1, 3, 4

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Rejection:
    """An A-ASSOCIATE-RJ: result, source and reason (PS3.8 table 9-21), and the reason in words."""

    result: int
    source: int
    code: int
    reason: str


def unidentified(reason: str) -> Rejection:
    """The answer to a user identity that proves nobody: by the ACSE, with no reason given (PS3.7 D.3.3.7)."""
    return Rejection(1, 2, 1, reason)


@dataclass(frozen=True)
class Acceptance:
    """An A-ASSOCIATE-AC; `roles` answers the roles that were proposed, as (SCU, SCP)."""

    contexts: tuple[AnsweredContext, ...]
    roles: Mapping[str, tuple[int, int]]

    @property
    def is_empty(self) -> bool:
        """Whether not one context was accepted; PS3.8 has no rejection for that, each context says why."""
        return all(context.result != ACCEPTED for context in self.contexts)


class _Known:
    """A caller of the settings, digested once."""

    def __init__(self, caller: Caller) -> None:
        self._aet, self._certificate, self.users = caller.aet, caller.certificate, caller.users
        self._network = ipaddress.ip_network(caller.address, strict=False) if caller.address else None

    def is_it(self, calling: str, address: _Address, secured: Secured | None) -> bool:
        """Without TLS an address alone tells; with TLS the certificate does, and an address that is given too."""
        if calling != self._aet or (self._network is not None and address not in self._network):
            return False
        if secured is None or secured.certificate is None:
            # What is named would pass without TLS where anybody can read it.
            is_open = self._certificate is None and not (self.users and secured is None)
            return self._network is not None and is_open
        return secured.certificate.is_of(self._certificate or self._aet)


class AssociationPolicy:
    """The settings, digested once; `services` are those besides storage and verification."""

    def __init__(self, settings: Listener, services: Mapping[str, Service] | None = None) -> None:
        self._aet = settings.aet
        self._limit = settings.max_associations
        self._share = self._limit - self._limit // 4
        self._trust_loopback = settings.trust_loopback
        self._callers = tuple(map(_Known, settings.callers))
        self._services = services or {}
        stored = dict.fromkeys(storage_sop_classes() | {VERIFICATION}, transfer_syntaxes())
        self._syntaxes = {**stored, **dict.fromkeys(self._services, TRANSFER_SYNTAXES)}

    def rejection(
        self, head: RequestHead, address: str, running: int, own: int = 0, secured: Secured | None = None
    ) -> Rejection | None:
        """Why nobody at IP `address` with such a request gets an association while `running` others exist, if so.

        `own` of those are of this caller: nobody has more than three quarters of all, so that one who opens them and
        says nothing keeps nobody else out. `secured` is what TLS has proven, None without it.
        """
        if not head.protocol_version & 1:
            return Rejection(1, 2, 2, f"protocol version {head.protocol_version:#06x} is not supported")
        if head.called != self._aet:
            return Rejection(1, 1, 7, f"called AE title {head.called!r} is not ours, which is {self._aet!r}")
        if not self._knows(head.calling, ipaddress.ip_address(address), secured):
            shown = f" with the certificate of {secured.certificate}" if secured and secured.certificate else ""
            return Rejection(1, 1, 3, f"calling AE title {head.calling!r} is not known from {address}{shown}")
        if running >= self._limit:
            return Rejection(2, 3, 2, f"{running} associations run already, the limit")
        if own >= self._share:
            return Rejection(2, 3, 2, f"{own} associations of this caller run already, three quarters of the limit")
        return None

    def users(self, head: RequestHead, address: str, secured: Secured | None) -> frozenset[str]:
        """The users one of whom a caller that is let in has to be; none where nobody is asked for."""
        place = ipaddress.ip_address(address)
        found = [known.users for known in self._callers if known.is_it(head.calling, place, secured)]
        return frozenset().union(*found) if all(found) else frozenset()

    def answer(self, request: AssociateRequest) -> Acceptance | Rejection:
        """What a caller that is let in gets for its request.

        Raises ProtocolError where a context's id is not odd or comes twice (PS3.8 section 9.3.2.2).
        """
        if request.application_context != APPLICATION_CONTEXT:
            return Rejection(1, 1, 2, f"application context {request.application_context!r} is not supported")
        return self._acceptance(request)

    def _knows(self, calling: str, address: _Address, secured: Secured | None) -> bool:
        if not calling:
            return False
        if self._trust_loopback and address.is_loopback and secured is None:
            return True
        return any(known.is_it(calling, address, secured) for known in self._callers)

    def _acceptance(self, request: AssociateRequest) -> Acceptance:
        ids = [context.id for context in request.contexts]
        if len(set(ids)) < len(ids) or any(ident % 2 == 0 for ident in ids):
            raise ProtocolError(
                AbortReason.INVALID_PARAMETER, f"ids of {len(ids)} presentation contexts are not distinct and odd"
            )
        contexts = tuple(self._answered(context, request.roles) for context in request.contexts)
        known = {context.abstract_syntax for context in contexts if context.result == ACCEPTED}
        # We are SCP of what we accept. SCU on the peer's association we are of services that report to us alone.
        roles = {uid: (scu, scp * self._reports(uid)) for uid, (scu, scp) in request.roles.items() if uid in known}
        return Acceptance(contexts, roles)

    def _reports(self, abstract_syntax: str) -> bool:
        service = self._services.get(abstract_syntax)
        return service is not None and service.reports

    def _answered(self, context: ProposedContext, roles: Mapping[str, tuple[int, int]]) -> AnsweredContext:
        known = self._syntaxes.get(context.abstract_syntax)
        if known is None:
            return AnsweredContext(context.id, context.abstract_syntax, None, NO_ABSTRACT_SYNTAX)
        scu, scp = roles.get(context.abstract_syntax, (1, 0))
        if not (scu or (scp and self._reports(context.abstract_syntax))):
            return AnsweredContext(context.id, context.abstract_syntax, None, USER_REJECTION)
        for syntax in context.transfer_syntaxes:
            if syntax in known:
                return AnsweredContext(context.id, context.abstract_syntax, syntax, ACCEPTED)
        return AnsweredContext(context.id, context.abstract_syntax, None, NO_TRANSFER_SYNTAX)

"""What speaks to the receivers of the trail's entries: syslog (PS3.15 A.6, A.7) and FHIR (IHE ATNA's feed by REST)."""

import json
import ssl
from http import HTTPStatus

from audit.export.dicom import MESSAGE_ID, dicom_xml
from audit.export.fhir import ENTRY_TAG, audit_event, resource_id
from audit.export.forwarding import Outlet
from audit.export.message import AuditMessage, Outcome
from audit.syslog import Message, Origin, Sender, Severity, StreamSender, UdpSender, encoded
from config.audit_receivers import AuditReceiver
from dicom_node.tls.contexts import requestor_context
from dicom_node.web.client import HttpClient
from domain.errors import ConfigurationError, Permanent, Retryable
from domain.visible import visible

_JSON = "application/fhir+json"
_HEAD = 512  # bytes of a message beside its text, at most
# What a resource is refused for by itself; every other answer is about us, the server, or the moment (RFC 9110 15.5).
_NEVER = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY})
_TAKEN = frozenset({HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.NO_CONTENT})
_LONGEST_SAID = 300  # letters of a server's own words
# A duplicate that a server holds already under the tag, or several: it has the entry.
_HELD = frozenset({HTTPStatus.NOT_MODIFIED, HTTPStatus.PRECONDITION_FAILED})


def outlet(receiver: AuditReceiver) -> Outlet:
    """What speaks to this receiver; nothing is opened or read before it has something to send."""
    return FhirOutlet(receiver) if receiver.kind == "fhir" else SyslogOutlet(receiver)


class SyslogOutlet:
    """Audit messages in XML; a stream is confirmed by its end (`audit.syslog`)."""

    def __init__(self, receiver: AuditReceiver) -> None:
        self._receiver = receiver
        self._sender: Sender | None = None

    def send(self, message: AuditMessage) -> None:
        """Failures go out as warnings; the entry's number tells doubles apart."""
        severity = Severity.NOTICE if message.outcome is Outcome.SUCCESS else Severity.WARNING
        text = dicom_xml(message, self._receiver.longest - _HEAD)
        said = Message(message.at, MESSAGE_ID, text, message.number, severity)
        self._opened().send(encoded(said, Origin(message.source, "dicom-node", "forward")))

    def confirm(self) -> None:
        """By UDP nothing is: what its host says is all that there is."""
        if self._sender is not None:
            self._sender.confirm()

    def close(self) -> None:
        """Files of certificates are read anew for the next connection."""
        if self._sender is not None:
            self._sender.close()
            self._sender = None

    def _opened(self) -> Sender:
        if self._sender is None:
            self._sender = self._made()
        return self._sender

    def _made(self) -> Sender:
        one = self._receiver
        if one.transport == "udp":
            return UdpSender(*one.endpoint)
        context = _context(one) if one.transport == "tls" else None
        return StreamSender(*one.endpoint, timeout=one.timeout, context=context, name=one.server_name or "")


def _context(one: AuditReceiver) -> ssl.SSLContext:
    try:
        return requestor_context(f"audit.receivers.{one.name}", one.ca, one.certificate, one.key, one.minimum)
    except ConfigurationError as error:  # somebody mends it while the node runs
        raise Retryable(*error.lines) from error


class FhirOutlet:
    """Resources AuditEvent, each answered by itself; one that is sent again changes nothing."""

    def __init__(self, receiver: AuditReceiver) -> None:
        self._receiver = receiver
        self._client = HttpClient(receiver.peer(), receiver.timeout)

    def send(self, message: AuditMessage) -> None:
        """Raises Permanent where the server says that this resource by itself is none that it takes."""
        resource = dict(audit_event(message))
        fields = {"content-type": _JSON, "accept": _JSON, "prefer": "return=minimal"}
        if self._receiver.store == "put":
            method, path = "PUT", f"/AuditEvent/{resource_id(message)}"
        else:
            del resource["id"]
            method, path = "POST", "/AuditEvent"
            fields["if-none-exist"] = f"_tag={ENTRY_TAG}|{resource_id(message)}"
        try:
            answer = self._client.request(method, path, fields=fields, body=json.dumps(resource).encode())
        except ConfigurationError as error:  # a file with a secret, which somebody mends while the node runs
            raise Retryable(*error.lines) from error
        self._judge(answer.status, answer.body)

    def confirm(self) -> None:
        """Each is confirmed by its answer."""

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def _judge(self, status: int, body: bytes) -> None:
        if status in _TAKEN or (self._receiver.store == "post" and status in _HELD):
            return
        where = self._receiver.address
        if status in _NEVER:
            raise Permanent(f"{where} refuses a resource: HTTP {status}{_words(body)}")
        raise Retryable(f"{where} answers HTTP {status} to an AuditEvent{_hint(status, self._receiver)}")


def _words(body: bytes) -> str:
    """What an OperationOutcome says."""
    try:
        issues = json.loads(body)["issue"]
        said = "; ".join(str(one.get("diagnostics") or one.get("details", {}).get("text", "")) for one in issues)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return ""
    return f": {visible(said)[:_LONGEST_SAID]}" if said else ""


def _hint(status: int, receiver: AuditReceiver) -> str:
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return ": token_file or certificate is not what it lets in"
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED} and receiver.store == "put":
        return ': the url is not its base, or it gives ids itself, and store = "post" would do'
    return ""

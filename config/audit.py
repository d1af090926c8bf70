"""The trail's own settings: who is sent what stands on it."""

from pydantic import Field

from config.audit_receivers import AuditReceiver
from config.section import Section


class Audit(Section):
    """Who is sent what stands on the trail."""

    receivers: tuple[AuditReceiver, ...] = Field((), description="who is sent every entry, in its standard's form")

"""The node's table of contents: every role by its name. A role's module is imported when the role is, and not before.

So a listener's process loads no index, a delivery's no model, and `dicom-node --help` none of them.
"""

from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import cast

from console.process import Context, Role

_WHERE: Mapping[str, str] = {
    "listen": "console.listening",
    "index": "console.receiving",
    "assemble": "console.receiving",
    "work": "console.working",
    "write": "console.writing",
    "deliver": "console.delivering",
    "relay": "console.events",
}


def module(name: str) -> ModuleType:
    """The module that holds the role."""
    return import_module(_WHERE[name])


def _role(name: str) -> Role:
    def role(context: Context) -> None:
        cast(Role, getattr(module(name), name))(context)

    return role


ROLES: Mapping[str, Role] = {name: _role(name) for name in _WHERE}

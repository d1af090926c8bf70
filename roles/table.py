"""The node's table of contents: every role by its name. A role's module is imported when the role is, and not before.

So a listener's process loads no index, a delivery's no model, and `dicom-node --help` none of them.
"""

from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import cast

from roles.process import Context, Role

_WHERE: Mapping[str, str] = {
    "listen": "roles.listen",
    "index": "roles.index",
    "assemble": "roles.assemble",
    "work": "roles.work",
    "write": "roles.write",
    "deliver": "roles.deliver",
    "relay": "roles.relay",
}


def module(name: str) -> ModuleType:
    """The module that holds the role."""
    return import_module(_WHERE[name])


def _role(name: str) -> Role:
    def role(context: Context) -> None:
        cast(Role, getattr(module(name), name))(context)

    return role


ROLES: Mapping[str, Role] = {name: _role(name) for name in _WHERE}

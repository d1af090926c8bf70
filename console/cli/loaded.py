"""A command of the table, its module imported when it is asked for."""

from importlib import import_module

from typer import Typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command_name, get_group

from config.imports import importing
from console.cli.help_text import flowing
from console.cli.table import COMMANDS


def command(name: str) -> TyperCommand | TyperGroup:
    """The command `name`, or the group of commands."""
    with importing():
        module = import_module(f"console.cli.commands.{COMMANDS[name].module}")
    found = get_group(_alone(module.app, name)).commands[name]
    assert isinstance(found, TyperCommand | TyperGroup)
    _let_help_flow(found)
    return found


def _alone(app: Typer, name: str) -> Typer:
    """`app` with what is called `name` and nothing else: whatever it holds is built, each option's type looked at."""
    alone = Typer()
    for one in app.registered_commands:
        if name == (one.name or (one.callback and get_command_name(one.callback.__name__))):
            alone.registered_commands.append(one)
    alone.registered_groups.extend(one for one in app.registered_groups if one.name == name)
    return alone


def _let_help_flow(one: TyperCommand | TyperGroup) -> None:
    one.help = flowing(one.help or "")
    for below in one.commands.values() if isinstance(one, TyperGroup) else ():
        assert isinstance(below, TyperCommand | TyperGroup)
        _let_help_flow(below)


def named_command(name: str, below: str | None) -> tuple[TyperCommand | None, int]:
    """The command `name`, or `below` in a group of that name, and of how many words its name is; None: there is none.

    A group by itself is no command.
    """
    found = command(name) if name in COMMANDS else None
    if isinstance(found, TyperGroup):
        one = found.commands.get(below or "")
        return (one if isinstance(one, TyperCommand) else None), 2
    return found, 1

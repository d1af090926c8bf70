"""The `dicom-node` command: the table of its commands, and how errors leave it.

console.cli.table has the list.
"""

import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from config import defects, logs
from console.cli.table import COMMANDS
from domain.errors import NodeError

_EPILOG = """A trial on this machine:  dicom-node up --data trial --destination ORTHANC@127.0.0.1:4242
then  dicom-node send STUDY-FOLDER --to DICOM_NODE@127.0.0.1:11112  and  dicom-node status --data trial"""


class _Commands(TyperGroup):
    """Finds commands in their modules, and prints the node's own errors as a line.

    Whatever else is raised is a defect and keeps its traceback.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """What the list of commands shows; `resolve_command` has the command itself."""
        known = COMMANDS.get(cmd_name)
        return known and TyperCommand(cmd_name, help=known.about, hidden=known.hidden, rich_help_panel=known.panel)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, shown, rest = super().resolve_command(ctx, args)
        return name, shown and _load(ctx, shown.name or ""), rest

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except NodeError as error:
            if ctx.params.get("debug"):
                raise
            from console.cli.output import complain  # noqa: PLC0415 - tables and colours, which no help needs

            complain(str(error))
            raise typer.Exit(1) from error


def _load(ctx: Any, name: str) -> Any:
    module = import_module(f"console.cli.commands.{COMMANDS[name].module}")
    return get_group(module.app).get_command(ctx, name)


app = typer.Typer(
    name="dicom-node",
    cls=_Commands,
    help="Studies in by C-STORE, findings home as SR and SEG, every step on an audit trail.",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _global_options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Options that stand before the command."""


def main() -> None:
    """Entry point of the `dicom-node` program."""
    logs.log_to(sys.stderr, "dicom-node", readable=True)
    try:
        app()
    except Exception as error:  # a defect; Python itself would print what libraries say of their arguments
        sys.stderr.write(defects.trace(error) + "\n")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()

"""The `dicom-node` command: the table of its commands, and how errors leave it.

A command's module is imported when the command is asked for, so that `status` need not wait for the DICOM network.
"""

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

from config import defects, logs
from console.cli.output import complain
from domain.errors import NodeError

_EPILOG = """A trial on this machine:  dicom-node up --data trial --destination ORTHANC@127.0.0.1:4242
then  dicom-node send STUDY-FOLDER --to DICOM_NODE@127.0.0.1:11112  and  dicom-node status --data trial"""

_WHERE: Mapping[str, str] = {
    "up": "up",
    "send": "network",
    "echo": "network",
    "status": "studies",
    "explain": "studies",
    "retry": "recovery",
    "quarantine": "studies",
    "dead-letters": "dead_letters",
    "audit": "trail",
    "models": "packages",
    "doctor": "doctor",
    "viewer": "viewer",
    "destinations": "destinations",
    "config": "configuration",
    "database": "schema",
    "listen": "role",
    "index": "role",
    "assemble": "role",
    "work": "role",
    "write": "role",
    "deliver": "role",
    "relay": "role",
    "keep-database": "role",
}


class _Commands(TyperGroup):
    """Finds commands in their modules, and prints the node's own errors as a line.

    Whatever else is raised is a defect and keeps its traceback.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_WHERE)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in _WHERE:
            return None
        return get_group(import_module(f"console.cli.commands.{_WHERE[cmd_name]}").app).get_command(ctx, cmd_name)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except NodeError as error:
            if ctx.params.get("debug"):
                raise
            complain(str(error))
            raise typer.Exit(1) from error


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

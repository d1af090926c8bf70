"""The `dicom-node` command: the table of its commands, its first help, and how errors leave it.

console.cli.table has the list.
"""

import re
from collections.abc import Sequence
from functools import reduce
from itertools import groupby, pairwise
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from console.cli.hints import begin, completed
from console.cli.loaded import command
from console.cli.table import COMMANDS, ROLE_PANEL
from console.cli.version import version_line
from domain.errors import NodeError, exit_code
from domain.nearest import did_you_mean
from domain.visible import visible

# What a service manager starts again when it ended, unless it says that this would change nothing.
_SERVING = {"up", *(name for name, one in COMMANDS.items() if one.panel == ROLE_PANEL)}
# The mark keeps the lines as they are.
_EPILOG = """\b
A trial on this machine:  dicom-node up --data trial --destination ORTHANC@127.0.0.1:4242
then  dicom-node send STUDY-FOLDER --to DICOM_NODE@127.0.0.1:11112  and  dicom-node status --data trial"""


def is_serving(words: Sequence[str]) -> bool:
    """Whether the command runs until it is told to stop: its output is a log, in which a defect keeps its places."""
    return bool(_SERVING & {*words[:1]})


_AS_JSON = f"{__name__}.as_json"  # of a command line's context

# What the library says of a value, in words of Python, and what is said of it here.
_WORDS = [
    (re.compile(wrong), said)
    for wrong, said in (
        (r"Input should be a valid integer.*", "must be a whole number"),
        (r"Input should be a (valid|finite) number.*", "must be a number"),
        (r"Input should be greater than or equal to (\S+)", r"must be \1 or more"),
        (r"Input should be less than or equal to (\S+)", r"must be \1 or less"),
        (r"Input should be a valid \w+.*", "cannot be this"),
        (r"Value error, ", ""),
    )
]


class _Commands(TyperGroup):
    """Finds commands in their modules, and prints the node's own errors as a line.

    Whatever else is raised is a defect: console.cli.main says it.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """What the list of commands shows; `resolve_command` has the command itself."""
        known = COMMANDS.get(cmd_name)
        return known and TyperCommand(cmd_name, help=known.about, hidden=known.hidden, rich_help_panel=known.panel)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The list, a section a panel, each command's first line whole. The library's own shortens it."""
        shown = [(name, one) for name, one in COMMANDS.items() if not one.hidden]
        for panel, commands in groupby(shown, lambda named: named[1].panel):
            with formatter.section(panel or "Commands"):
                formatter.write_dl([(name, one.about) for name, one in commands])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        try:
            name, shown, rest = super().resolve_command(ctx, args)
        except TyperException as error:
            error.message += did_you_mean(args[0], list(COMMANDS)).replace("; d", " D", 1)
            raise
        return name, shown and command(shown.name or ""), rest

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except NodeError as error:
            if ctx.params.get("debug"):
                raise
            from console.cli.output import complain, print_json  # noqa: PLC0415 - colours, which no help needs

            if ctx.meta.get(_AS_JSON):
                print_json({"error": error.sentence})
            complain(*error.lines)
            raise typer.Exit(exit_code(error) if ctx.invoked_subcommand in _SERVING else 1) from error
        except TyperException as error:
            _make_visible(error)
            _answer_json(error, ctx.meta.get(_AS_JSON))
            raise

    def make_context(self, *arguments: Any, **extra: Any) -> Any:
        begin()
        as_json = "--json" in arguments[1]
        try:
            _refuse_empty(arguments[1])
            made = super().make_context(*arguments, **extra)
            made.meta[_AS_JSON] = as_json
            return made
        except TyperException as error:
            _make_visible(error)
            _answer_json(error, as_json)
            raise


def _answer_json(error: TyperException, as_json: object) -> None:
    """A script that asked for JSON gets it, also where its own words are wrong; people read standard error."""
    if as_json:
        from console.cli.output import print_json  # noqa: PLC0415 - as above

        print_json({"error": error.message})


def _refuse_empty(words: Sequence[str]) -> None:
    """An empty word is a variable of a shell that holds nothing: as a path it would be the current folder."""
    for before, word in pairwise(["", *words]):
        option = word.removesuffix("=") if word.startswith("--") and word.endswith("=") else ""
        if option or not word:
            named = option or (before if before.startswith("-") else "")
            raise typer.BadParameter(f"{named or 'an argument'} is given nothing ('')")


def _make_visible(error: TyperException) -> None:
    """Of a complaint about the arguments: it quotes them, and a shell may have filled in names of files."""
    words = reduce(lambda said, known: known[0].sub(known[1], said), _WORDS, error.message)
    error.message = "\n".join(map(visible, completed(words).split("\n")))


app = typer.Typer(
    name="dicom-node",
    cls=_Commands,
    help="Studies in by C-STORE, findings home as SR and SEG, every step on an audit trail.",
    epilog=_EPILOG,
    no_args_is_help=True,
    # What draws boxes takes longer to import than all the rest of the first help.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(version_line())
        raise typer.Exit


@app.callback()
def _global_options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Options that stand before the command."""

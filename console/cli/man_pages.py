"""Manual pages (man(7)) and completions of shells, made from the commands themselves."""

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import typer
from typer._completion_shared import get_completion_script

PROGRAM = "dicom-node"
# Where each shell looks below a folder of shared data, such as /usr/local/share.
_COMPLETIONS = {
    "bash": f"bash-completion/completions/{PROGRAM}",
    "zsh": f"zsh/site-functions/_{PROGRAM}",
    "fish": f"fish/vendor_completions.d/{PROGRAM}.fish",
}
_EXAMPLES = re.compile(r"Examples?:")
_FILES = """
.SH FILES
.TP
.I /etc/dicom\\-node/node.toml
The settings of the service.
.TP
.I /var/lib/dicom\\-node
Its data folder.
.SH ENVIRONMENT
.TP
.B DICOM_NODE_CONFIG
The settings file where \\-\\-config does not name one.
.TP
.B DICOM_NODE_*
A setting each: DICOM_NODE_LISTENER__PORT is listener.port."""


def pages(app: typer.Typer) -> Mapping[str, str]:
    """The page of the program and of each command, by its file's name: `dicom-node-models-pull.1`."""
    program: Any = typer.main.get_command(app)
    return {f"{'-'.join(words)}.1": _page(words, context) for words, context in _commands([PROGRAM], program, None)}


def completions() -> Mapping[str, str]:
    """The script of each shell, by its place in a folder of shared data."""
    return {place: _completion(shell) for shell, place in _COMPLETIONS.items()}


def _completion(shell: str) -> str:
    script = get_completion_script(prog_name=PROGRAM, complete_var="_DICOM_NODE_COMPLETE", shell=shell)
    # zsh runs the file as the function that it names, once, when it is first needed: this must answer then as well.
    return f"{script}\n\n_dicom_node_completion\n" if shell == "zsh" else f"{script}\n"


def _commands(words: list[str], command: Any, above: Any) -> Iterator[tuple[list[str], Any]]:
    """Each command that is shown, with the words that lead to it."""
    context = typer.Context(command, info_name=words[-1], parent=above)
    yield words, context
    for name in _below(context):
        _, found, _ = command.resolve_command(context, [name])
        yield from _commands([*words, name], found, context)


def _below(context: Any) -> Sequence[str]:
    command = context.command
    if not hasattr(command, "list_commands"):
        return ()
    return [name for name in command.list_commands(context) if not command.get_command(context, name).hidden]


def _page(words: list[str], context: Any) -> str:
    command, name = context.command, "-".join(words)
    about, *told = _paragraphs(command.help or "")
    examples = [one for one in told if _EXAMPLES.match(one)]
    lines = [
        f'.TH "{_plain(name.upper())}" 1 "" "{_plain(PROGRAM)} {_plain(version(PROGRAM))}" "{_plain(PROGRAM)}"',
        ".SH NAME",
        f"{_plain(name)} \\- {_line(about.rstrip('.'))}",
        ".SH SYNOPSIS",
        f".B {_plain(' '.join(words))}",
        _plain(" ".join(command.collect_usage_pieces(context)).replace("[[", "[").replace("]]", "]")),
        ".SH DESCRIPTION",
        *(line for one in (about, *told) if one not in examples for line in (".PP", _line(one))),
        *_options(context),
        *_children(words, context),
        *(line for one in examples for line in _examples(_EXAMPLES.sub("", one))),
    ]
    if len(words) == 1:
        lines.append(_FILES.strip())
    related = [words[:-1]] if len(words) > 1 else []
    lines += [line for one in related for line in (".SH SEE ALSO", f".BR {_plain('-'.join(one))} (1)")]
    return "\n".join(lines) + "\n"


def _examples(text: str) -> Sequence[str]:
    """The commands, a line each, as they are typed."""
    return ".SH EXAMPLES", ".nf", *(_plain(line) for line in re.split(r"\s{2,}", text.strip())), ".fi"


def _paragraphs(text: str) -> list[str]:
    return [one.replace("\b", "").strip() for one in re.split(r"\n\s*\n", text.strip())]


def _options(context: Any) -> Iterator[str]:
    shown = [one for one in context.command.get_params(context) if not getattr(one, "hidden", False)]
    if shown:
        yield ".SH OPTIONS"
    for one in shown:
        yield ".TP"
        yield _option(one)
        yield _line(getattr(one, "help", "") or "") or "\\&"


def _option(one: Any) -> str:
    """Its names in bold and what it takes in italics; of an argument, what it takes alone."""
    names = ", ".join([*one.opts, *one.secondary_opts]) if one.param_type_name == "option" else ""
    value = "" if getattr(one, "is_flag", False) else (one.metavar or one.name.upper()).strip("[]")
    return " ".join(f"\\f{font}{_plain(text)}\\fR" for font, text in (("B", names), ("I", value)) if text)


def _children(words: list[str], context: Any) -> Iterator[str]:
    names = _below(context)
    if names:
        yield ".SH COMMANDS"
    for name in names:
        yield ".TP"
        yield f".BR {_plain('-'.join([*words, name]))} (1)"
        yield _line(_paragraphs(context.command.get_command(context, name).help or "")[0])


def _line(text: str) -> str:
    return _plain(" ".join(text.split()))


_MEANT = str.maketrans({"\\": "\\e", "-": "\\-", '"': "\\(dq", "'": "\\(aq", "`": "\\(ga"})


def _plain(text: str) -> str:
    """`text` as it is, whatever roff makes of it otherwise: backslashes, hyphens, quotes, and points at the margin."""
    escaped = text.translate(_MEANT)
    return f"\\&{escaped}" if escaped.startswith(".") else escaped

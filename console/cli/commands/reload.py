"""`reload`: a node that runs takes over its settings."""

import os
import signal
import time
from pathlib import Path

import typer

from console import json_views
from console.cli.options import Config, Data, Json, settings_from
from console.cli.output import complain, print_json, say
from domain.errors import ConfigurationError
from roles.reload import Answer, last_answer, reloadable

app = typer.Typer()

_LONGEST = 30.0  # s to wait for an answer
_LOOK = 0.1


@app.command()
def reload(data: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Have a node that runs take over its settings, as far as that needs no restart.

    Callers, destinations, profiles, deliveries, rules, models, silence of studies, what is kept how long and the level
    of the log are taken over; associations that are open go on. What else has changed is named, and waits for a
    restart. Exit code 1 where anything is wrong: then nothing has changed. WARNING is of what the node runs with, and
    most likely should not.

    Example:  dicom-node reload --config node.toml
    """
    settings = settings_from(config, data=data)
    if not settings.data.is_dir():
        raise ConfigurationError(
            f"there is no folder {settings.data}: no node has run there; give --data or --config. Where"
            " `data` was changed, that waits for a restart (of a service: for `dicom-node service install`), and moves"
            " nothing"
        )
    asked = reloadable(settings.data)
    if not asked:
        raise ConfigurationError(
            f"no node runs on {settings.data}: the settings are right, and count from its next start"
        )
    for name, before in asked.items():
        _signal(name, before)
    answers = {name: _answer(settings.data, name, before) for name, before in asked.items()}
    wrong = any(answer.wrong for answer in answers.values())
    warnings = [] if wrong else _unrefused(config)
    if as_json:
        print_json({"processes": json_views.plain(answers), "warnings": warnings})
    else:
        for name, answer in answers.items():
            _tell(name, answer)
        complain(*(f"WARNING: {line}" for line in warnings))
    if wrong:
        raise typer.Exit(1)


def _unrefused(config: Path | None) -> list[str]:
    from console.cli.settings_check import unrefused  # noqa: PLC0415 - a refused reload need not wait for it

    return unrefused(config)


def _signal(name: str, before: Answer) -> None:
    try:
        os.kill(before.pid, signal.SIGHUP)
    except PermissionError as error:
        raise ConfigurationError(f"{name} belongs to another user: run this as that user, or with sudo") from error
    except ProcessLookupError as error:
        raise ConfigurationError(f"{name} has just ended; the settings count from its next start") from error


def _answer(data: Path, name: str, before: Answer) -> Answer:
    end = time.monotonic() + _LONGEST
    while time.monotonic() < end:
        answer = last_answer(data, name)
        if answer is not None and answer.number != before.number:
            return answer
        time.sleep(_LOOK)
    raise ConfigurationError(f"{name} was asked and has not answered for {_LONGEST:g} s; its log says when it does")


def _tell(name: str, answer: Answer) -> None:
    if answer.wrong:
        complain(f"{name}: nothing is taken over:", *(f"  {line}" for line in answer.wrong))
        return
    if answer.taken:
        say(f"{name}: taken over: {', '.join(answer.taken)}")
    if answer.waiting:
        complain(f"{name}: waits for a restart: {', '.join(answer.waiting)}")
    if not answer.taken and not answer.waiting:
        say(f"{name}: no setting has changed")

"""Settings are wrong while a node runs with those of before: it can be asked all the same."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from shlex import quote

from config.loading import load_sound
from config.settings import Settings
from config.toml_lines import read
from domain.errors import ConfigurationError
from roles.database import KEEPER
from roles.run_files import running

# Of a file that is not TOML, where it can still be told.
_DATA = re.compile(r"""^[ \t]*data[ \t]*=[ \t]*(["'])(.+?)\1""", re.MULTILINE)


def of_a_node_that_runs(file: Path | None, overrides: Mapping[str, object]) -> Iterator[str]:
    """How the node is asked that runs on the data folder with a database of its own, if one does."""
    data = _data(file, overrides)
    if data is not None and running(data, KEEPER) is not None:
        yield (
            f"the node on {data} runs on with the settings that it had: without that file, and with "
            f"--data {quote(str(data))} in its place, it can be asked meanwhile"
        )


def _data(file: Path | None, overrides: Mapping[str, object]) -> Path | None:
    try:
        return load_sound(file, overrides).settings.data
    except ConfigurationError:
        pass
    try:
        text = read(file) if file else ""
    except ConfigurationError:
        return None
    found = _DATA.search(text)
    return Path(found[2] if found else Settings.model_fields["data"].default) if file else None

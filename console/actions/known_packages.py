"""Which packages the node has, and which its database knows under the same name and version with other contents."""

from collections.abc import Sequence
from pathlib import Path

from config.settings import Settings
from domain.errors import NodeError
from models.installed import must_not_be_older
from models.registry import Package, Release, changed_package, older_package, releases
from roles.database import KEEPER, reading
from roles.run_files import running
from store import packages as known_packages


def of_node(settings: Settings) -> Settings:
    """The settings with the folder of packages of the node that runs on the data folder: `up` may have been given it.

    One that `settings` name is kept, and theirs is what counts where no node runs.
    """
    said = running(settings.data, "work")
    if settings.models.folder is not None or said is None or not said.facts.models:
        return settings
    return settings.model_copy(
        update={"models": settings.models.model_copy(update={"folder": Path(said.facts.models)})}
    )


def faults(settings: Settings, found: Sequence[Package]) -> dict[Release, str]:
    """Why packages do not run, by release; of a database that does not run, nothing is known."""
    if settings.database.url is None and running(settings.data, KEEPER) is None:
        return {}
    try:
        with reading(settings) as database, database.transaction() as connection:
            changed = known_packages.changed(connection, releases(found))
            newer = known_packages.newer(connection, must_not_be_older(found, settings))
    except NodeError:
        return {}
    older = {release: older_package(known) for release, known in newer.items()}
    return older | {release: changed_package(release[1]) for release in changed}

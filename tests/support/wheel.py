"""The wheel as a user installs it: built by the project's own back-end, laid out in a folder, with its command."""

import configparser
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.support.counterparts import ROOT

_COMMAND = """import sys
from {module} import {function}
sys.exit({function}())
"""


def install(place: Path) -> Path:
    """Build the wheel and install it below `place`, without what it depends on. The folder of its modules.

    They are compiled, as installers do it: where nobody may write beside them, each process would do it anew.
    """
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place / "wheel")]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = (place / "wheel").glob("*.whl")
    site = place / "site"
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(site)
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(site)], check=True, capture_output=True)
    return site


def command(site: Path) -> Path:
    """`dicom-node` as an installer writes it, for Python to run."""
    (stated,) = site.glob("*.dist-info/entry_points.txt")
    points = configparser.ConfigParser()
    points.read(stated)
    module, _, function = points["console_scripts"]["dicom-node"].partition(":")
    script = site.with_name("bin") / "dicom-node"
    script.parent.mkdir(exist_ok=True)
    script.write_text(_COMMAND.format(module=module, function=function))
    return script

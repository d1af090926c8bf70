"""What a package would do whose code runs in the process that a command tries it in: `main`, as inference_worker's."""

import json
import socket
import sys
from pathlib import Path
from typing import Any

from inference_worker.handed_files import Inbox
from inference_worker.model_server import send
from tests.support.hostile_runs import ATTACKS

FORGED = '{"time": "2026-01-01", "level": "INFO", "role": "dicom-node", "message": "this package is sound"}'


def main(descriptor: str, fault: str) -> None:
    """Do what `told.json` in the package says."""
    with socket.socket(fileno=int(descriptor)) as channel:
        inbox = Inbox(channel)
        inbox.line()
        (task,) = json.loads(inbox.line() or "")["tasks"]
        told = json.loads((Path(task["package"]) / "told.json").read_text())
        if fault:
            send(channel, {"error": "ConfigurationError", "message": fault})
        elif told["does"] == "attack":
            send(channel, {"answer": {"faults": [f"{name}: {_tried(name, told)}" for name in ATTACKS], "remarks": []}})
        elif told["does"] == "print":
            sys.stdout.write(f"\x1b[2J\x1b]0;sound\x07{FORGED}\n{FORGED}\n")
            sys.stdout.flush()
            send(channel, {"answer": {"faults": [], "remarks": []}})
        elif told["does"] == "leave":
            Path(task["scratch"]).with_name("golden_input.npz").mkdir()
            Path(task["scratch"]).with_name("golden_expected.npz").write_text("x")
            send(channel, {"answer": {}})
        else:
            channel.sendall(told["says"].encode() + b"\n")


def _tried(name: str, told: dict[str, Any]) -> str:
    try:
        got = ATTACKS[name](told)
    except Exception as error:  # whatever it is refused with
        return f"refused ({type(error).__name__})"
    return f"it got {got!r}"[:200] if got else "refused"

"""Prometheus and Alertmanager as a site has them, with short intervals, and whom they tell."""

import json
import threading
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from tests.support import counterparts
from tests.support.counterparts import ROOT
from tests.support.processes import free_port
from tests.support.servers import Server

RULES = ROOT / "deploy" / "prometheus" / "dicom-node.rules.yml"
SCRAPE = ROOT / "deploy" / "prometheus" / "scrape.yml"
_SOON = "200ms"


class Pager:
    """Whom Alertmanager tells: the names and labels of alerts that fire and of those that are over."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: list[dict[str, Any]] = []
        pager = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with pager._lock:
                    pager._told += body["alerts"]
                self.send_response(200)
                self.end_headers()

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"

    def told(self, alert: str, status: str = "firing", **labels: str) -> dict[str, Any]:
        """The first word of this alert with these labels; empty where there was none."""
        with self._lock:
            found = [one for one in self._told if (one["labels"]["alertname"], one["status"]) == (alert, status)]
        return next((one for one in found if labels.items() <= one["labels"].items()), {})

    def forget(self) -> None:
        """What was told so far counts no more, but for what is not over: nobody is told of that a second time."""
        with self._lock:
            last = {frozenset(one["labels"].items()): one for one in self._told}
            self._told = [one for one in last.values() if one["status"] == "firing"]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()


class Alertmanager(Server):
    """Tells `pager` of every alert at once, each by itself."""

    def __init__(self, folder: Path, pager: Pager) -> None:
        super().__init__(folder)
        self.port, self._pager = free_port(), pager

    def command(self) -> list[str]:
        route = {"receiver": "pager", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s"}
        told = {"name": "pager", "webhook_configs": [{"url": self._pager.url, "send_resolved": True}]}
        file = self.folder / "alertmanager.yml"
        file.write_text(yaml.safe_dump({"route": route, "receivers": [told]}))
        options = [f"--config.file={file}", f"--storage.path={self.folder / 'data'}", "--cluster.listen-address="]
        program = counterparts.require("prometheus-alertmanager")
        return [program, *options, f"--web.listen-address=127.0.0.1:{self.port}"]

    def ready(self) -> bool:
        return _answers(f"http://127.0.0.1:{self.port}/-/ready")


class Prometheus(Server):
    """Scrapes the door at `target` and evaluates the shipped rules, whose expressions it takes as they are."""

    def __init__(self, folder: Path, target: str, alertmanager: Alertmanager) -> None:
        super().__init__(folder)
        self.port, self._target, self._alertmanager = free_port(), target, alertmanager

    def command(self) -> list[str]:
        file = self.folder / "prometheus.yml"
        file.write_text(yaml.safe_dump(self._configuration()))
        options = [f"--config.file={file}", f"--storage.tsdb.path={self.folder / 'data'}", "--log.level=warn"]
        return [counterparts.require("prometheus"), *options, f"--web.listen-address=127.0.0.1:{self.port}"]

    def ready(self) -> bool:
        return _answers(f"http://127.0.0.1:{self.port}/-/ready")

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """The series of an instant query."""
        query = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/query?{query}", timeout=10) as answer:
            return list(json.load(answer)["data"]["result"])

    def _configuration(self) -> dict[str, Any]:
        """The shipped sample, with short intervals and the node's own address."""
        sample = yaml.safe_load(SCRAPE.read_text())
        (job,) = sample["scrape_configs"]
        job |= {"scrape_interval": _SOON, "scrape_timeout": _SOON, "static_configs": [{"targets": [self._target]}]}
        rules = yaml.safe_load(RULES.read_text())
        for group in rules["groups"]:
            group["interval"] = _SOON
            group["rules"] = [rule | {"for": "0s"} for rule in group["rules"]]
        (self.folder / "rules.yml").write_text(yaml.safe_dump(rules))
        alerting = {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{self._alertmanager.port}"]}]}]}
        timing = {"evaluation_interval": _SOON}
        return {**sample, "global": timing, "rule_files": ["rules.yml"], "alerting": alerting}


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False

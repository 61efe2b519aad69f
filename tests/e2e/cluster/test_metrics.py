"""The analysis by Prometheus: no data fails, errors fail, and traffic that is answered passes."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.cluster.test_faults import ROW
from tests.fixtures.door import Door
from tests.fixtures.forward import Forward
from tests.fixtures.images import Image
from tests.fixtures.kubectl import get, kubectl, wait
from tests.fixtures.load import Load
from tests.fixtures.servers import free_port
from tests.fixtures.site import MODEL, Site

Images = dict[str, Image]


class Prometheus:
    """Scrapes the active pods of a site every second, labelled as discovery in the cluster would."""

    def __init__(self, folder: Path, site: Site) -> None:
        self.folder, self.site, self.address = folder, site, f"127.0.0.1:{free_port()}"
        self.ways: list[Forward] = []
        folder.mkdir()
        self._write([])
        words = ["prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"]
        words += [f"--web.listen-address={self.address}", "--log.level=warn"]
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait(self._ready, 30, "Prometheus ready")

    def scrape(self) -> str:
        """Begin to scrape; return the revision's hash."""
        pods = get("-n", self.site.namespace("production"), "pods", "-l", "slipway/role=active")["items"]
        revision: str = pods[0]["metadata"]["labels"]["rollouts-pod-template-hash"]
        labels = {"rollouts_pod_template_hash": revision}
        space = self.site.namespace("production")
        self.ways = [Forward(space, f"pod/{pod['metadata']['name']}", 3000) for pod in pods]
        self._write([{"targets": [way.url.removeprefix("http://") for way in self.ways], "labels": labels}])
        query = f"http://{self.address}/api/v1/query?query=sum(slipway_model_info)"
        wait(lambda: _json(query)["data"]["result"], 60, "the first scrapes")
        return revision

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(20)
        for way in self.ways:
            way.close()

    def _write(self, targets: list[dict[str, Any]]) -> None:
        (self.folder / "targets.json").write_text(json.dumps(targets))
        discovery = [{"files": ["targets.json"], "refresh_interval": "1s"}]
        content = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "scrape_configs": [{"job_name": "serving", "file_sd_configs": discovery}],
        }
        (self.folder / "prometheus.yml").write_text(yaml.safe_dump(content))

    def _ready(self) -> bool:
        assert self.process.poll() is None, "Prometheus ended"
        try:
            with urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def _json(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.loads(answer.read())


@pytest.fixture
def prometheus(production: Site, tmp_path: Path) -> Iterator[Prometheus]:
    assert shutil.which("prometheus"), "prometheus is not on PATH; next: sudo make e2e-tools"
    made = Prometheus(tmp_path / "prometheus", production)
    yield made
    made.stop()


def analyse(site: Site, name: str, prometheus: str, revision: str) -> dict[str, str]:
    """Run the template as a Rollout would, in less time; return each metric's phase."""
    template = get("-n", site.namespace("production"), "analysistemplate", f"{MODEL}-metrics")
    spec = template["spec"]
    given = {"revision": revision, "prometheus": prometheus, "window": "10s"}
    spec["args"] = [{"name": one["name"], "value": given[one["name"]]} for one in spec["args"]]
    for metric in spec["metrics"]:
        metric |= {"initialDelay": "3s", "interval": "2s"}
    run = {"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisRun", "metadata": {"name": name}, "spec": spec}
    kubectl("-n", site.namespace("production"), "create", "-f", "-", stdin=json.dumps(run))

    def status() -> dict[str, Any]:
        found: dict[str, Any] = get("-n", site.namespace("production"), "analysisrun", name).get("status", {})
        return found

    wait(lambda: status().get("phase") in ("Successful", "Failed", "Error", "Inconclusive"), 90, f"{name} judged")
    return {"run": status()["phase"]} | {one["name"]: one["phase"] for one in status()["metricResults"]}


def test_metrics_pass_with_traffic_and_fail_without(
    production: Site, prometheus: Prometheus, open_door: Callable[[str], Door]
) -> None:
    url = f"http://{open_door(prometheus.address).address}"
    nobody = analyse(production, "nobody-scrapes", url, "0123456789")
    assert nobody["run"] == "Failed"

    revision = prometheus.scrape()
    quiet = analyse(production, "nobody-asks", url, revision)
    assert (quiet["run"], quiet["requests"]) == ("Failed", "Failed")

    load = Load(production, "production", [ROW], 30.0)
    load.wait_sent(400)
    asked = analyse(production, "asked", url, revision)
    load.stop()
    assert asked == {"run": "Successful", "requests": "Successful", "errors": "Successful", "latency": "Successful"}

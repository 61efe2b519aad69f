from __future__ import annotations

import json
import re

from devstack.plan import PORTS
from tests.fixtures.workflows import ROOT

FILE = ROOT / ".devcontainer/devcontainer.json"


def test_the_devcontainer_makes_what_exists_and_forwards_what_people_open() -> None:
    said = json.loads(re.sub(r"^//.*$", "", FILE.read_text(), flags=re.MULTILINE))
    targets = re.fullmatch(r"make ([a-z ]+)", said["postCreateCommand"])
    assert targets
    makefile = (ROOT / "Makefile").read_text()
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets[1].split())
    labels = {one["label"].lower(): int(port) for port, one in said["portsAttributes"].items()}
    assert labels == {name: PORTS[name] for name in ("api", "mlflow", "prometheus", "alertmanager")}
    assert sorted(labels.values()) == sorted(said["forwardPorts"])

"""The page of alerts: every rule below gitops/ and deploy/, with what it means and what to do first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from tools.reference.markdown import page
from tools.reference.meanings import complete
from tools.rooms import ROOT

INTRODUCTION = """Prometheus loads these rules unchanged, on one machine (`make up`, compose.yaml) and on a cluster. Each is tried on its
fault and on a healthy system by `promtool test rules` in `tests/integration/devstack/test_alerts.py`. Alertmanager shows and groups them;
who is notified is for you to add, as a receiver in `gitops/platform/monitoring/alertmanager.yaml` with its secret in a file.

*critical*: predictions fail or records are in danger, act now. *warning*: look today."""


@dataclass(frozen=True)
class Alert:
    """A rule and the file that it is in."""

    name: str
    path: str
    rule: dict[str, Any]


def found() -> list[Alert]:
    """Find every alert rule."""
    files = sorted(path for folder in ("gitops", "deploy") for path in (ROOT / folder).rglob("*.yaml"))
    holding = [path for path in files if "alert:" in path.read_text(encoding="utf-8")]
    return [
        Alert(rule["alert"], str(path.relative_to(ROOT)), rule)
        for path in holding
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
        for rule in _rules(document)
    ]


def write() -> str:
    """Write the page.

    Raises:
        Unexplained: an alert without words, or words without an alert.
    """
    every = found()
    explained = complete("alerts", {alert.name for alert in every})
    parts = [INTRODUCTION]
    for path in dict.fromkeys(alert.path for alert in every):
        parts += [f"## {path}", *(_section(alert, explained[alert.name]) for alert in every if alert.path == path)]
    return page("Alerts", *parts)


def _section(alert: Alert, explained: str) -> str:
    rule = alert.rule
    severity = str(rule.get("labels", {}).get("severity", ""))
    after = f"after {rule['for']}" if "for" in rule else "at once"
    query = "```promql\n" + str(rule["expr"]).strip() + "\n```"
    return f"### {alert.name}\n\n*{severity}*, {after}. {explained}\n\n{query}"


def _rules(document: Any) -> Iterator[dict[str, Any]]:
    """Find rules in a rule file, a PrometheusRule, or a ConfigMap that holds one."""
    if isinstance(document, dict):
        if "alert" in document and "expr" in document:
            yield document
            return
        for value in document.values():
            yield from _rules(value)
    elif isinstance(document, list):
        for value in document:
            yield from _rules(value)
    elif isinstance(document, str) and "alert:" in document:
        yield from _rules(yaml.safe_load(document))

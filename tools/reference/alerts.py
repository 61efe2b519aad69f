"""The page of alert rules, from every rule file below gitops/ and deploy/."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from tools.reference.markdown import page, table
from tools.rooms import ROOT


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
    """Write the page."""
    every = found()
    parts = ["Each name leads to what it means and what to do first."]
    for path in dict.fromkeys(alert.path for alert in every):
        parts += [f"## {path}", *(_section(alert) for alert in every if alert.path == path)]
    return page("Alert rules", *parts)


def _section(alert: Alert) -> str:
    rule = alert.rule
    notes = rule.get("annotations", {})
    facts = [
        ("severity", str(rule.get("labels", {}).get("severity", ""))),
        ("after", str(rule.get("for", "at once"))),
        ("summary", str(notes.get("summary", ""))),
        ("says", str(notes.get("description", ""))),
    ]
    link = f"### [{alert.name}](alerts.md#{alert.name.lower()})"
    query = "```promql\n" + str(rule["expr"]).strip() + "\n```"
    return f"{link}\n\n{table(('', ''), ((name, value) for name, value in facts if value))}\n\n{query}"


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

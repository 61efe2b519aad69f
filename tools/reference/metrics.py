"""The page of Prometheus metrics, from where the code makes them."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from tools.reference.markdown import code, page, table
from tools.reference.sources import called, text, trees

KINDS = {"Counter": "counter", "Gauge": "gauge", "Histogram": "histogram", "Summary": "summary"}
KINDS |= {f"{kind}MetricFamily": low for kind, low in KINDS.items()}
NAME = re.compile(r"slipway_[a-z0-9_]+")


@dataclass(frozen=True)
class Metric:
    """A family as a scrape shows it."""

    name: str
    kind: str
    meaning: str
    labels: tuple[str, ...]


def found() -> list[Metric]:
    """Find every family that the code makes: by a class of the client, or as a reading (name, text, kind, how)."""
    every = [metric for _, tree in trees() for node in ast.walk(tree) if (metric := _metric(node))]
    return sorted({metric.name: metric for metric in every}.values(), key=lambda metric: metric.name)


def write() -> str:
    """Write the page."""
    rows = (
        (code(metric.name), metric.kind, ", ".join(code(label) for label in metric.labels), metric.meaning)
        for metric in found()
    )  # fmt: skip
    return page(
        "Metrics",
        "The server shows them at `GET /metrics`, for the role `operate` or, with `SLIPWAY_METRICS_ACCESS=open`, without a token; when "
        "to act on which is in the [alerts](alerts.md). A histogram has `_bucket`, `_sum` and "
        "`_count`. Families of a part that is switched off (cache, journal, keys) are not shown. The promoter (`slipway webhook`) shows its "
        "own, `slipway_promoter_…`, at its `GET /metrics`.",
        table(("metric", "kind", "labels", "meaning"), rows),
    )


def _metric(node: ast.AST) -> Metric | None:
    if isinstance(node, ast.Call) and called(node) in KINDS:
        kind, parts = KINDS[called(node)], node.args
        named = next((word.value for word in node.keywords if word.arg in ("labels", "labelnames")), None)
        labels = _strings(named if named is not None else parts[2] if len(parts) > 2 else None)
    elif isinstance(node, ast.Tuple) and len(node.elts) == 4 and text(node.elts[2]) in KINDS.values():
        kind, parts, labels = str(text(node.elts[2])), node.elts, _inner(node.elts[3])
    else:
        return None
    name, meaning = (text(part) for part in [*parts, None, None][:2])
    if name is None or not NAME.fullmatch(name):
        return None
    shown = f"{name}_total" if kind == "counter" and not name.endswith("_total") else name
    return Metric(shown, kind, meaning or "", labels)


def _strings(node: ast.expr | None) -> tuple[str, ...]:
    return tuple(filter(None, map(text, getattr(node, "elts", []))))


def _inner(node: ast.expr) -> tuple[str, ...]:
    """Find label names in a reading's keys, `{(("store", "redis"),): 1}`."""
    pairs = [each for each in ast.walk(node) if isinstance(each, ast.Tuple) and len(each.elts) == 2]
    return tuple(dict.fromkeys(filter(None, (text(pair.elts[0]) for pair in pairs))))

"""Prometheus metrics of the server, with every label's child bound beforehand.

Owns names and units. What others count already (spool, breakers, limiter,
cache) is read when it is scraped, so that counting costs a request nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from serving.inference.distributions import Distributions
from serving.inference.model import Model

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
LATENCY = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

# name, help, kind, and how to read it
Reading = tuple[str, str, str, Callable[[], dict[tuple[tuple[str, str], ...], float]]]


class Metrics:
    """The registry and what requests count in it."""

    def __init__(self, model: Model) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self.in_flight = Gauge(
            "slipway_in_flight", "Predictions in flight, from the moment their body is there.", registry=self.registry
        )
        self.rows = Counter("slipway_predicted_rows", "Rows predicted.", registry=self.registry)
        self.not_finite = Counter(
            "slipway_not_finite", "Requests for which the model gave no finite number.", registry=self.registry
        )
        self.refused = Counter(
            "slipway_shed",
            "What was shed, by why: concurrency, deadline, spool; arriving, caller; connections, descriptors.",
            ["reason"],
            registry=self.registry,
        )
        self._requests = Counter("slipway_requests", "Requests answered.", ["route", "status"], registry=self.registry)
        self._seconds = Histogram(
            "slipway_request_seconds",
            "Seconds from a request's head to its answer.",
            ["route"],
            buckets=LATENCY,
            registry=self.registry,
        )
        info = Gauge(
            "slipway_model_info", "The served model; always 1.", ["model", "version", "digest", "run_id", "git_commit"],
            registry=self.registry,
        )  # fmt: skip
        manifest = model.manifest
        info.labels(model.name, model.version, model.digest, manifest.run_id, manifest.git_commit).set(1)
        self._bound: dict[tuple[str, int], tuple[Any, Any]] = {}

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        bound = self._bound.get((route, status))
        if bound is None:
            bound = self._requests.labels(route, str(status)), self._seconds.labels(route)
            self._bound[route, status] = bound
        bound[0].inc()
        bound[1].observe(seconds)

    def watch(self, readings: Iterable[Reading], distributions: Distributions) -> None:
        """Scrape what others count."""
        self.registry.register(_Watched(tuple(readings), distributions))

    def text(self) -> bytes:
        """Write everything in Prometheus' text format."""
        return generate_latest(self.registry)


class _Watched:
    """Reads the counts of others at scrape time."""

    def __init__(self, readings: tuple[Reading, ...], distributions: Distributions) -> None:
        self._readings = readings
        self._distributions = distributions

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        for name, text, kind, read in self._readings:
            family: Any = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
            values = read()
            labels = [label for label, _ in next(iter(values), ())]
            metric = family(name, text, labels=labels)
            for key, value in values.items():
                metric.add_metric([v for _, v in key], value)
            yield metric
        yield from _distribution_families(self._distributions)


def _distribution_families(distributions: Distributions) -> Iterator[Metric]:
    found = distributions.read()
    values = HistogramMetricFamily(
        "slipway_feature_value",
        "Values of numeric features and the score, of at most 32 rows a request.",
        labels=["feature"],
    )
    for name, edges, counts, total in found.numeric:
        cumulated, buckets = 0, []
        for edge, count in zip([*edges, float("inf")], counts, strict=True):
            cumulated += int(count)
            buckets.append(("+Inf" if edge == float("inf") else f"{edge:g}", cumulated))
        values.add_metric([name], buckets=buckets, sum_value=total)
    yield values
    missing = CounterMetricFamily(
        "slipway_feature_missing", "Missing values, of at most 32 rows a request.", labels=["feature"]
    )
    for name, count in found.missing.items():
        missing.add_metric([name], count)
    yield missing
    categories = CounterMetricFamily(
        "slipway_feature_category",
        "Values of string features, of at most 32 rows a request; (other): not in the contract.",
        labels=["feature", "category"],
    )
    for (name, category), count in found.categories.items():
        categories.add_metric([name, category], count)
    yield categories

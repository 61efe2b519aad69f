"""Spans leave for the endpoint that is set, and nothing leaves where none is."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import psutil
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.fixtures.listening import listening
from tests.fixtures.servers import wait_until
from tests.integration.serving.conftest import Golden, NewClient, Start

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector:
    """Takes OTLP over HTTP as a collector does, and keeps the spans."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Any]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                for group in ExportTraceServiceRequest.FromString(body).resource_spans:
                    named = {a.key: a.value.string_value for a in group.resource.attributes}
                    for scope in group.scope_spans:
                        collector.spans += [(named["service.name"], span) for span in scope.spans]
                self.send_response(200 if self.path == "/v1/traces" else 404)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.handler = Handler
        self.url = ""


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    with listening(made.handler) as made.url:
        yield made


@pytest.mark.long
def test_a_request_becomes_a_span_below_its_caller_s(
    start: Start, client: NewClient, golden: Golden, collector: Collector
) -> None:
    server = start(otlp_endpoint=collector.url, journal="off")
    asked = client(server)
    asked.predict(golden["rows"][:1], traceparent=f"00-{TRACE}-{PARENT}-01", x_request_id="0123456789abcdef-span")
    asked.http.get("/predict")
    server.stop()  # what waits is flushed
    wait_until(lambda: len(collector.spans) >= 2, what="two spans arriving")
    service, span = next(pair for pair in collector.spans if pair[1].parent_span_id)
    attributes = {a.key: a.value.string_value or a.value.int_value for a in span.attributes}
    assert service == "flight-delay"
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
    assert span.name == attributes["http.route"] == "/predict"
    assert attributes["http.response.status_code"] == 200
    assert attributes["slipway.request_id"] == "0123456789abcdef-span"
    assert 0 < span.end_time_unix_nano - span.start_time_unix_nano < 5e9


@pytest.mark.long
def test_without_an_endpoint_nothing_is_loaded_and_nothing_leaves(
    start: Start, client: NewClient, golden: Golden
) -> None:
    server = start(journal="off", python=("-X", "importtime"))
    client(server).predict(golden["rows"][:1], traceparent=f"00-{TRACE}-{PARENT}-01")
    assert "opentelemetry.exporter" not in server.text()
    connections = psutil.Process(server.process.pid).net_connections()
    assert {c.status for c in connections if c.raddr and c.laddr.port != server.port} == set()


@pytest.mark.long
def test_a_dead_endpoint_costs_no_request(start: Start, client: NewClient, golden: Golden) -> None:
    server = start(otlp_endpoint="http://127.0.0.1:9", journal="off")
    answers = [client(server).predict(golden["rows"][:1]) for _ in range(20)]
    assert {a.status_code for a in answers} == {200}
    assert max(a.elapsed.total_seconds() for a in answers) < 1

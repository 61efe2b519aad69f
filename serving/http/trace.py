"""Request ids and W3C trace context; OpenTelemetry spans only where an endpoint is set.

Source: https://www.w3.org/TR/trace-context/, https://www.rfc-editor.org/rfc/rfc9562 (UUID version 7)
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from random import Random
from typing import Any

_random = Random()  # noqa: S311 - seeded by the system

# A UUID, a ULID, 32 hexadecimal digits: what clients and proxies send.
REQUEST_ID = re.compile(rb"[0-9A-Za-z][0-9A-Za-z-]{15,63}")
LONGEST_GIVEN = 128
# What would end a header, a JSON string or a log line.
UNPRINTABLE = re.compile(rb"""[^\x20-\x7e]|["\\\\]""")
TRACE_PARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")

# route, status, start and end in ns since the epoch, parent trace and span, attributes
Record = Callable[[str, int, int, int, tuple[str, str] | None, dict[str, Any]], None]


def new_request_id() -> str:
    """Make a UUID version 7: unique, and in the order of time."""
    # Unique, not secret: an id opens nothing, whoever asks for a prediction must be its owner.
    random = _random.getrandbits(80)
    value = (
        time.time_ns() // 1_000_000 << 80 | 7 << 76 | (random >> 68 & 0xFFF) << 64 | 2 << 62 | random & (1 << 62) - 1
    )
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def request_id(given: bytes | None) -> tuple[str, str]:
    """Take the client's request id, or make one; return it, and the client's own where it has another form.

    The client's own is cut, and holds what a header and a log line can hold.
    """
    if given is None:
        return new_request_id(), ""
    if REQUEST_ID.fullmatch(given) is not None:
        return given.decode("ascii"), ""
    return new_request_id(), UNPRINTABLE.sub(b"?", given[:LONGEST_GIVEN]).decode("ascii")


def parent(given: bytes | None) -> tuple[str, str] | None:
    """Read a traceparent header: trace id and span id; None when absent or malformed."""
    match = TRACE_PARENT.fullmatch(given) if given else None
    if match is None or match[1] == b"0" * 32 or match[2] == b"0" * 16 or given[:2] == b"ff":  # type: ignore[index]
        return None
    return match[1].decode(), match[2].decode()


def recorder(endpoint: str, service: str, version: str) -> tuple[Record, Callable[[], None]]:
    """Make the function that exports a request as a span, and the one that flushes."""
    from opentelemetry import trace as otel
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({"service.name": service, "service.version": version})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint.rstrip("/") + "/v1/traces")))
    tracer = provider.get_tracer("slipway.serving")

    def record(
        route: str, status: int, start: int, end: int, above: tuple[str, str] | None, attributes: dict[str, Any]
    ) -> None:
        context = None
        if above is not None:
            remote = otel.SpanContext(int(above[0], 16), int(above[1], 16), True, otel.TraceFlags(1))
            context = otel.set_span_in_context(otel.NonRecordingSpan(remote))
        shown: dict[str, Any] = {"http.route": route, "http.response.status_code": status} | attributes
        tracer.start_span(route, context, otel.SpanKind.SERVER, shown, start_time=start).end(end)

    return record, provider.shutdown

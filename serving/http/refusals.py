"""What the connection itself refuses, before a request reaches the application.

The path may not have been read yet, so each body fits every client: problem
details, with the `error` of the Open Inference Protocol.
"""

from __future__ import annotations

from http import HTTPStatus

from serving.http.problem import MEDIA_TYPE, Problem

MALFORMED = Problem(400, "this is not an HTTP/1.1 request", kind="malformed")
TOO_SLOW = Problem(408, "the request did not arrive in time", kind="too-slow")
HEAD_TOO_LARGE = Problem(
    431, "the head, trailers and chunk framing must have at most 32 KiB and 128 fields", kind="head-too-large"
)
UNKNOWN_CODING = Problem(501, "the only transfer coding that is read is chunked", kind="transfer-coding")
NO_TUNNEL = Problem(501, "this server opens no tunnels", kind="no-tunnel")


def answer(problem: Problem, request_id: str) -> bytes:
    """Write a complete answer, after which the connection ends."""
    body = problem.body(request_id, protocol=True)
    head = (
        f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\nconnection: close\r\n"
        f"content-type: {MEDIA_TYPE.decode()}\r\nx-request-id: {request_id}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body

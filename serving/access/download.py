"""Reads the bytes of a key set from a file or an address, within a time and a size.

The time holds for all of it: name, connection, head, body, however slowly each
byte comes. Refuses plain http except on this machine, and a redirect to it.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from slipway.errors import BadInput, Unavailable

LARGEST_SET = 1 << 20
FETCH_SECONDS = 3.0
CHUNK_BYTES = 1 << 16
LOCAL = ("127.0.0.1", "localhost", "::1")


def read(source: str, seconds: float = FETCH_SECONDS) -> bytes:
    """Read a key set from a file or an address.

    Raises:
        BadInput: the address is plain http and not on this machine.
        Unavailable: it cannot be read, in time, and within the size.
    """
    if not _is_safe(source):
        raise BadInput(
            "SLIPWAY_JWKS is a plain http address", expected="https:// or a file", found=source,
            hint="set SLIPWAY_JWKS to an https address",
        )  # fmt: skip
    try:
        if urlsplit(source).scheme not in ("http", "https"):
            with Path(source).open("rb") as file:
                content = file.read(LARGEST_SET + 1)
        else:
            content = _download(source, seconds)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Unavailable(
            f"the keys at {source} cannot be read",
            expected="a JWKS",
            found=str(error) or type(error).__name__,
            hint="slipway token  (makes keys for development)",
        ) from None
    if len(content) > LARGEST_SET:
        raise Unavailable(
            f"the keys at {source} are too large",
            expected=f"at most {LARGEST_SET} bytes",
            found=f"{len(content)} bytes or more",
            hint="set SLIPWAY_JWKS to the address of the key set itself, and remove keys that sign nothing any more",
        )
    return content


def _is_safe(source: str) -> bool:
    address = urlsplit(source)
    return address.scheme != "http" or address.hostname in LOCAL


def _download(source: str, seconds: float) -> bytes:
    deadline = _Deadline(seconds)
    opener = urllib.request.build_opener(_Http(deadline), _Https(deadline), _Redirects())
    request = urllib.request.Request(source, headers={"accept": "application/json"})  # noqa: S310 - scheme checked before
    try:
        with opener.open(request, timeout=seconds) as answer:
            content = bytearray()
            while len(content) <= LARGEST_SET and (chunk := answer.read1(CHUNK_BYTES)):
                content += chunk
                deadline.check()
            deadline.check()  # a connection that was cut reads as an end
            missing = answer.length if len(content) <= LARGEST_SET else 0
    except Exception as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        deadline.check()
        raise
    finally:
        deadline.cancel()
    if missing:
        raise http.client.IncompleteRead(bytes(content), missing)
    return bytes(content)


class _Deadline:
    """Cuts the connections it knows when the time is up: a timeout of a socket begins anew with each byte."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends = time.monotonic() + seconds
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def watch(self, connected: Any) -> None:
        self._sockets.append(connected)
        self.check()

    def check(self) -> None:
        if time.monotonic() >= self._ends:
            raise TimeoutError(f"it took longer than {self._seconds:g} s")

    def cancel(self) -> None:
        self._timer.cancel()

    def _cut(self) -> None:
        for connected in self._sockets:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connected, socket.SHUT_RDWR)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only to where we would have gone ourselves."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        before, after = urlsplit(req.full_url), urlsplit(newurl)
        if after.scheme not in ("http", "https") or not _is_safe(newurl) or (before.scheme, after.scheme) == (
            "https", "http",
        ):  # fmt: skip
            fp.close()
            raise OSError(f"it redirects to {newurl[:200]}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Http(urllib.request.HTTPHandler):
    def __init__(self, deadline: _Deadline) -> None:
        super().__init__()
        self._watch = deadline

    def http_open(self, req: Any) -> Any:
        return self.do_open(_watched(http.client.HTTPConnection, self._watch), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, deadline: _Deadline) -> None:
        super().__init__()
        self._watch = deadline

    def https_open(self, req: Any) -> Any:
        return self.do_open(_watched(http.client.HTTPSConnection, self._watch), req)


def _watched(kind: type[http.client.HTTPConnection], deadline: _Deadline) -> Any:
    class Watched(kind):  # type: ignore[valid-type,misc]
        def connect(self) -> None:
            super().connect()
            deadline.watch(self.sock)

    return Watched

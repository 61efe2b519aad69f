"""A key set over real TLS: who may be the provider, and where its redirects lead."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from jwt.algorithms import OKPAlgorithm

from serving.access import download
from serving.access.keys import KeySet
from slipway.errors import Unavailable
from tests.fixtures.tls import Authority

KEYS = {"keys": [json.loads(OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate().public_key())) | {"kid": "one"}]}


class Site:
    """Answers with the key set at `/jwks`, and with a redirect to `elsewhere` where that is set; counts both."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.elsewhere: str | None = None
        self.status = 302
        self.asked = 0
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked += 1
                moved = site.elsewhere is not None and self.path == "/jwks"
                content = b"" if moved else json.dumps(KEYS).encode()
                self.send_response(site.status if moved else 200)
                self.send_header("content-length", str(len(content)))
                if moved:
                    self.send_header("location", str(site.elsewhere))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None: ...

        class Quiet(ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None: ...  # who does not trust us ends the handshake

        self._server = Quiet(("127.0.0.1", 0), Handler)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self._server.server_port}/jwks"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    return made


@contextlib.contextmanager
def running(context: ssl.SSLContext | None = None) -> Iterator[Site]:
    site = Site(context)
    try:
        yield site
    finally:
        site.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_from_https_to_http_is_refused(authority: Authority, status: int) -> None:
    with running(authority.server()) as provider, running() as plain:
        keyset = KeySet(provider.url, 60, 60)
        keyset.load()
        provider.elsewhere, provider.status = plain.url, status
        with pytest.raises(Unavailable, match="which is not https"):
            download.read(provider.url)
        asyncio.run(keyset.refresh())
        assert keyset.failures == 1
        assert plain.asked == 0  # not even asked: whoever sees plain http could answer


def test_a_redirect_by_way_of_https_ends_at_http_all_the_same(authority: Authority) -> None:
    with running(authority.server()) as first, running(authority.server()) as second, running() as plain:
        first.elsewhere, second.elsewhere = second.url, plain.url
        with pytest.raises(Unavailable, match="which is not https"):
            download.read(first.url)
        assert (first.asked, second.asked, plain.asked) == (1, 1, 0)


def test_a_redirect_from_https_to_https_is_followed(authority: Authority) -> None:
    with running(authority.server()) as provider, running(authority.server()) as moved:
        provider.elsewhere = moved.url
        assert json.loads(download.read(provider.url)) == KEYS
        assert moved.asked == 1


def test_a_provider_of_another_authority_or_name_is_refused(authority: Authority, tmp_path: Path) -> None:
    for context in (Authority(tmp_path, "another").server(), authority.server("provider.example")):
        with running(context) as provider:
            with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
                download.read(provider.url)
            assert provider.asked == 0

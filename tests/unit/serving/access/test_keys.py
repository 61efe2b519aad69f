"""The key set against an identity provider that hangs, lies, rotates or redirects; each a real server here."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from jwt.algorithms import OKPAlgorithm

from serving.access import download, keys
from serving.access.auth import Authenticator
from serving.access.keys import KeySet
from serving.http.problem import Problem
from serving.tasks import Tasks
from slipway.errors import BadInput, SlipwayError, Unavailable

OLD, NEW = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
Behaviour = Callable[[BaseHTTPRequestHandler], None]


def jwk(key: ed25519.Ed25519PrivateKey, kid: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(OKPAlgorithm.to_jwk(key.public_key()))
    return content | {"kid": kid}


def signed(key: ed25519.Ed25519PrivateKey, kid: str) -> bytes:
    claims = {"sub": "a", "roles": ["predict"], "iss": "slipway", "aud": "slipway", "exp": int(time.time()) + 60}
    return b"Bearer " + jwt.encode(claims, key, "EdDSA", headers={"kid": kid}).encode()


def listing(*entries: dict[str, Any]) -> Behaviour:
    content = json.dumps({"keys": list(entries)}).encode()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


GOOD = listing(jwk(OLD, "old"))


def raw(*parts: bytes, pause: float = 0.0) -> Behaviour:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        for part in parts:
            handler.wfile.write(part)
            handler.wfile.flush()
            time.sleep(pause)

    return answer


def body(content: bytes) -> Behaviour:
    return raw(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(content), content)


class Provider:
    """An identity provider whose behaviour a test changes."""

    def __init__(self) -> None:
        self.behave: Behaviour = GOOD
        self.asked = 0
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                provider.asked += 1
                try:
                    provider.behave(self)
                except OSError:
                    self.close_connection = True

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.url = f"http://127.0.0.1:{self._server.server_port}/jwks"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    monkeypatch.setattr(download, "FETCH_SECONDS", 0.5)
    made = Provider()
    yield made
    made.close()


@pytest.fixture
def hung() -> Iterator[Behaviour]:
    ended = threading.Event()

    def wait(_: BaseHTTPRequestHandler) -> None:
        ended.wait(20)

    yield wait
    ended.set()


def trickle(count: int, before: bytes, after: bytes = b"x") -> Behaviour:
    return raw(before, *([after] * count), pause=0.05)


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
HOSTILE = {
    "garbage": body(b"<html>not keys</html>"),
    "no keys": body(b'{"kay": []}'),
    "a list": body(b"[]"),
    "keys that are no list": body(b'{"keys": {"a": 1}}'),
    "bytes": body(bytes(range(256))),
    "200,000 brackets": body(b"[" * 200_000),
    "deep keys": body(b'{"keys":' * 50_000),
    "100 MB": raw(b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n", *[b" " * (1 << 20)] * 100),
    "without end": raw(CHUNKED, *[b"10000\r\n" + b" " * 65536 + b"\r\n"] * 200),
    "broken chunk": raw(CHUNKED + b"zz\r\nabc\r\n"),
    "chunk cut short": raw(CHUNKED + b"ff\r\nabc"),
    "body cut short": raw(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{"),
    "no HTTP": raw(b"SSH-2.0-x\r\n"),
    "nothing": raw(b""),
    "500": raw(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n"),
    "byte by byte": trickle(200, b"HTTP/1.1 200 OK\r\ncontent-length: 9000\r\n\r\n"),
    "head byte by byte": trickle(200, b"HTTP/1.1 200 OK\r\nx: "),
    "chunk size byte by byte": trickle(200, CHUNKED, b"0"),
    "redirect to http": raw(b"HTTP/1.1 302 F\r\nlocation: http://example.org/\r\ncontent-length: 0\r\n\r\n"),
    "redirect to a file": raw(b"HTTP/1.1 302 F\r\nlocation: file:///etc/passwd\r\ncontent-length: 0\r\n\r\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_what_the_provider_answers_never_takes_the_last_good_keys(
    provider: Provider, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    keyset = KeySet(provider.url, 60, 60)
    keyset.load()
    provider.behave = HOSTILE[name]

    async def check() -> None:
        started = time.monotonic()
        await keyset.refresh()
        assert time.monotonic() - started < 4
        assert keyset.failures == 1
        asker = Authenticator(keyset, "slipway", "slipway")
        assert (await asker.principal(signed(OLD, "old"))).subject == "a"
        provider.behave = listing(jwk(NEW, "new"))
        await keyset.refresh()
        assert keyset.failures == 1
        assert (await asker.principal(signed(NEW, "new"))).subject == "a"

    asyncio.run(check())
    assert "keys cannot be read again" in caplog.text


def test_nobody_waits_while_the_address_hangs(provider: Provider, hung: Behaviour) -> None:
    keyset = KeySet(provider.url, 60, 60)
    keyset.load()
    keyset._tried_at = float("-inf")
    provider.behave = hung
    provider.asked = 0

    async def seconds(asker: Authenticator, token: bytes) -> float:
        started = time.monotonic()
        try:
            await asker.principal(token)
        except Problem as problem:
            assert (problem.status, token) == (401, STRANGE)  # noqa: PT017 - nobody else is refused
        return time.monotonic() - started

    async def check() -> None:
        tasks, asker = Tasks(), Authenticator(keyset, "slipway", "slipway")
        tasks.keep("keys", keyset.pass_by, patience_seconds=keyset.patience_seconds)
        strangers = [asyncio.create_task(seconds(asker, STRANGE)) for _ in range(200)]
        await asyncio.sleep(0.05)
        assert max([await seconds(asker, signed(OLD, "old")) for _ in range(20)]) < 0.2
        waited = await asyncio.gather(*strangers)
        assert sum(one > 0.2 for one in waited) <= keys.MOST_WAITING
        assert max(waited) < 1.5
        assert provider.asked == 1
        tasks.stop()

    asyncio.run(check())


STRANGE = signed(NEW, "strange")


def test_a_reading_whose_thread_hangs_is_not_joined_by_more(
    provider: Provider, hung: Behaviour, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyset = KeySet(provider.url, 60, 60)
    keyset.load()
    ended = threading.Event()
    monkeypatch.setattr(download, "read", lambda *_: ended.wait(20))
    monkeypatch.setattr(keys, "SPARE_SECONDS", 0.1)

    async def check() -> None:
        for _ in range(5):
            await keyset.refresh()
        assert [thread.name for thread in threading.enumerate()].count("keys") == 1

    asyncio.run(check())
    ended.set()
    assert keyset.failures == 5


def test_a_key_that_is_new_works_at_its_first_use(provider: Provider) -> None:
    keyset = KeySet(provider.url, 60, 60)
    keyset.load()
    keyset._tried_at = float("-inf")
    provider.behave = listing(jwk(OLD, "old"), jwk(NEW, "new"))

    async def check() -> None:
        tasks, asker = Tasks(), Authenticator(keyset, "slipway", "slipway")
        tasks.keep("keys", keyset.pass_by, patience_seconds=keyset.patience_seconds)
        assert (await asker.principal(signed(NEW, "new"))).subject == "a"
        tasks.stop()

    asyncio.run(check())


def test_a_set_emptied_by_its_owner_lets_nobody_in(provider: Provider, caplog: pytest.LogCaptureFixture) -> None:
    keyset = KeySet(provider.url, 60, 60)
    keyset.load()
    provider.behave = listing({"kty": "oct", "k": "AAAA", "kid": "old"})
    asyncio.run(keyset.refresh())
    with pytest.raises(Problem) as caught:
        asyncio.run(Authenticator(keyset, "slipway", "slipway").principal(signed(OLD, "old")))
    assert caught.value.status == 401
    assert "every token is refused" in caplog.text
    with pytest.raises(BadInput, match="oct"):
        KeySet(provider.url, 60, 60).load()


def test_a_key_that_is_skipped_is_named_once(provider: Provider, caplog: pytest.LogCaptureFixture) -> None:
    provider.behave = listing(jwk(OLD, "old"), {"kty": "EC", "crv": "P-521", "kid": "curve"})
    keyset = KeySet(provider.url, 60, 60)
    keyset.load()
    asyncio.run(keyset.refresh())
    provider.behave = listing(jwk(NEW, "new"), {"kty": "EC", "crv": "P-521", "kid": "curve"})
    asyncio.run(keyset.refresh())
    assert caplog.text.count("'curve'") == 1


@pytest.mark.parametrize(
    ("before", "after", "followed"),
    [
        ("https://a.example/k", "http://a.example/k", False),
        ("https://a.example/k", "http://127.0.0.1/k", False),
        ("https://a.example/k", "ftp://a.example/k", False),
        ("http://127.0.0.1/k", "http://a.example/k", False),
        ("http://127.0.0.1/k", "http://localhost/k", True),
        ("http://127.0.0.1/k", "https://a.example/k", True),
        ("https://a.example/k", "https://b.example/k", True),
    ],
)
def test_a_redirect_leads_only_to_https(before: str, after: str, followed: bool) -> None:
    import urllib.request

    request = urllib.request.Request(before)
    follow = download._Redirects().redirect_request
    if followed:
        assert follow(request, io.BytesIO(), 302, "Found", {}, after).full_url == after
        return
    with pytest.raises(OSError, match="not https"):
        follow(request, io.BytesIO(), 302, "Found", {}, after)


def test_keys_at_an_address_where_nobody_listens_are_unavailable() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(Unavailable):
            download.read(f"http://127.0.0.1:{held.getsockname()[1]}/")


@pytest.mark.parametrize("source", ["http://example.org/jwks.json", "http://[::2]/k", "http://127.0.0.1.example.org/k"])
def test_keys_over_plain_http_are_refused(source: str) -> None:
    with pytest.raises(SlipwayError, match="plain http"):
        download.read(source)

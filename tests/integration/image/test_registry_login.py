"""Distribution's registry behind a login: asking for the tokens of a server that signs them here, or for a name."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from release.images.images import Images
from release.images.logins import files, logins
from slipway.answer import Answer
from tests.fixtures.listening import listening
from tests.fixtures.registry import push, serving

pytestmark = pytest.mark.image
SERVICE, ISSUER = "registry of the tests", "token server of the tests"
ADA = base64.b64encode(b"ada:word-of-ada").decode()
BCRYPT = "$2b$04$PztmSG.rp8I3ghJY32T26Op7c/5sWw8yW6Joq4BeZ8BIpqvGVT5mm"  # pragma: allowlist secret


@dataclass
class Tokens:
    """A token server: who may pull, what it was asked, and the key that it signs with."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    url: str = ""
    anonymous: bool = False
    lifetime_seconds: int = 60
    asked: list[dict[str, str]] = field(default_factory=list)

    def answer(self, path: str, shown: str) -> tuple[int, Any]:
        asked = {key: values[0] for key, values in parse_qs(urlsplit(path).query).items()}
        self.asked.append(asked | {"shown": shown})
        if shown != f"Basic {ADA}" and not (self.anonymous and not shown):
            return 401, {"details": "incorrect username or password"}
        kind, name, acts = asked["scope"].split(":")
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": asked["service"], "sub": "ada", "jti": str(now), "iat": now, "nbf": now - 5}
        claims |= {"exp": now + self.lifetime_seconds}
        claims |= {"access": [{"type": kind, "name": name, "actions": acts.split(",")}]}
        chain = [base64.b64encode(self.certificate.public_bytes(Encoding.DER)).decode()]
        return 200, {"token": jwt.encode(claims, self.key, "ES256", headers={"x5c": chain})}


@pytest.fixture
def tokens() -> Iterator[Tokens]:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ISSUER)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(1))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    made = Tokens(key, builder.sign(key, hashes.SHA256()))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, said = made.answer(self.path, self.headers.get("Authorization", ""))
            content = json.dumps(said).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None: ...

    with listening(Handler) as url:
        made.url = f"{url}/token"
        yield made


Start = Callable[[dict[str, Any]], tuple[str, str]]


@pytest.fixture
def start(tools: None, tmp_path: Path) -> Iterator[Start]:
    """Push an image to an open registry, then serve it behind `auth`; give host and digest."""
    with ExitStack() as open_ones:

        def make(auth: dict[str, Any]) -> tuple[str, str]:
            with serving(tmp_path) as host:
                digest = push(host, "7", "first")
            return open_ones.enter_context(serving(tmp_path, auth)), digest

        yield make


@pytest.fixture
def behind_tokens(start: Start, tokens: Tokens, tmp_path: Path) -> tuple[str, str]:
    roots = tmp_path / "roots.pem"
    roots.write_bytes(tokens.certificate.public_bytes(Encoding.PEM))
    said = {"realm": tokens.url, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": str(roots)}
    return start({"token": said})


def as_written(folder: Path, said: dict[str, Any]) -> Images:
    (folder / "config.json").write_text(json.dumps(said))
    return Images(logins(files({"DOCKER_CONFIG": str(folder), "HOME": str(folder)})))


def test_a_login_becomes_a_token_to_pull_one_repository(
    behind_tokens: tuple[str, str], tokens: Tokens, tmp_path: Path
) -> None:
    host, digest = behind_tokens
    images = as_written(tmp_path, {"auths": {host: {"auth": ADA}}})
    assert images.has(f"{host}/team/tiny", digest) == Answer(True, f"{host} has {digest}")
    assert images.has(f"{host}/team/tiny", f"sha256:{'0' * 64}") == Answer(False, f"{host} has no sha256:{'0' * 64}")
    assert tokens.asked[0] == {"service": SERVICE, "scope": "repository:team/tiny:pull", "shown": f"Basic {ADA}"}


def test_a_public_repository_needs_no_login(behind_tokens: tuple[str, str], tokens: Tokens) -> None:
    host, digest = behind_tokens
    tokens.anonymous = True
    assert Images().has(f"{host}/team/tiny", digest).passed is True


def test_without_a_login_with_a_wrong_one_and_with_a_token_that_is_over_nobody_knows(
    behind_tokens: tuple[str, str], tokens: Tokens, tmp_path: Path
) -> None:
    host, digest = behind_tokens
    answer = Images().has(f"{host}/team/tiny", digest)
    assert answer.passed is None
    assert answer.reason.endswith(f"its token server answered 401, and there is no login for {host}")
    wrong = base64.b64encode(b"ada:another").decode()
    answer = as_written(tmp_path, {"auths": {host: {"auth": wrong}}}).has(f"{host}/team/tiny", digest)
    assert answer.passed is None
    assert "its token server answered 401" in answer.reason
    assert wrong not in answer.reason
    tokens.lifetime_seconds = -3600
    answer = as_written(tmp_path, {"auths": {host: {"auth": ADA}}}).has(f"{host}/team/tiny", digest)
    assert answer == Answer(None, f"the registry {host} answered 401")


def test_a_token_that_another_key_signed_is_worth_nothing(
    behind_tokens: tuple[str, str], tokens: Tokens, tmp_path: Path
) -> None:
    host, digest = behind_tokens
    tokens.key = ec.generate_private_key(ec.SECP256R1())
    assert as_written(tmp_path, {"auths": {host: {"auth": ADA}}}).has(f"{host}/team/tiny", digest).passed is None


def test_credentials_are_not_sent_to_a_token_server_without_tls(start: Start, tokens: Tokens, tmp_path: Path) -> None:
    roots = tmp_path / "roots.pem"
    roots.write_bytes(tokens.certificate.public_bytes(Encoding.PEM))
    realm = "http://tokens.example.org/token"
    host, digest = start(
        {"token": {"realm": realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": str(roots)}}
    )
    answer = as_written(tmp_path, {"auths": {host: {"auth": ADA}}}).has(f"{host}/team/tiny", digest)
    assert answer.passed is None
    assert answer.reason.endswith(f"its token server {realm} has no TLS")


def test_a_registry_that_asks_for_a_name_gets_the_login(start: Start, tmp_path: Path) -> None:
    (tmp_path / "htpasswd").write_text(f"ada:{BCRYPT}\n")
    host, digest = start({"htpasswd": {"realm": "tests", "path": str(tmp_path / "htpasswd")}})
    assert as_written(tmp_path, {"auths": {host: {"auth": ADA}}}).has(f"{host}/team/tiny", digest).passed is True
    answer = Images().has(f"{host}/team/tiny", digest)
    assert answer == Answer(None, f"the registry {host} answered 401: there is no login for {host}")


@pytest.mark.parametrize("kind", ["credsStore", "credHelpers"])
def test_the_login_of_a_credential_helper_counts(
    behind_tokens: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    host, digest = behind_tokens
    helper = tmp_path / "docker-credential-tests"
    answer = json.dumps({"ServerURL": host, "Username": "ada", "Secret": "word-of-ada"})
    helper.write_text(f"#!/bin/sh\n[ \"$1\" = get ] && [ \"$(cat)\" = '{host}' ] && echo '{answer}'\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    said: dict[str, Any] = {"auths": {host: {}}} | (
        {kind: "tests"} if kind == "credsStore" else {kind: {host: "tests"}}
    )
    assert as_written(tmp_path, said).has(f"{host}/team/tiny", digest).passed is True

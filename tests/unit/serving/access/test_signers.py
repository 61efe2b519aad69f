"""What the smoke test's key may sign, and what becomes of it where it is missing, broken or published twice."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from serving.access.auth import Authenticator, require
from serving.access.keys import KeySet
from serving.http.principal import Principal
from serving.http.problem import Problem

ISSUER_KEY, SMOKE_KEY = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


def jwk(key: Ed25519PrivateKey, kid: str | None) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(OKPAlgorithm.to_jwk(key.public_key()))
    return content if kid is None else content | {"kid": kid}


def jwks(path: Path, *entries: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"keys": list(entries)}))
    return path


def bearer(key: Ed25519PrivateKey, kid: str | None, **changes: Any) -> bytes:
    claims = {"sub": "smoke", "roles": ["predict"], "iss": "slipway", "aud": "slipway", "exp": int(time.time()) + 60}
    headers = {} if kid is None else {"kid": kid}
    return b"Bearer " + jwt.encode(claims | changes, key, "EdDSA", headers=headers).encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    jwks(tmp_path / "jwks.json", jwk(ISSUER_KEY, "issuer"))
    jwks(tmp_path / "smoke.json", jwk(SMOKE_KEY, "own"))
    return tmp_path


def keyset(folder: Path) -> KeySet:
    made = KeySet(str(folder / "jwks.json"), 60, 60, folder / "smoke.json")
    made.load()
    return made


def ask(folder: Path, header: bytes, issuer: str = "slipway", claim: str = "roles") -> Principal:
    return asyncio.run(Authenticator(keyset(folder), issuer, "slipway", claim).principal(header))


def test_the_smoke_tests_key_signs_for_predict_alone_whatever_is_claimed(folder: Path) -> None:
    for roles in (["predict"], ["predict", "operate"], "operate predict"):
        principal = ask(folder, bearer(SMOKE_KEY, "own", roles=roles))
        assert principal.roles == {"predict"}
        with pytest.raises(Problem, match="the smoke test's key gives predict alone") as refused:
            require(principal, "operate")
        assert refused.value.status == 403


@pytest.mark.parametrize("roles", [["operate"], [], "operate", None])
def test_without_the_role_predict_it_may_do_nothing(folder: Path, roles: object) -> None:
    principal = ask(folder, bearer(SMOKE_KEY, "own", roles=roles))
    assert principal.roles == set()


@pytest.mark.parametrize("subject", ["alice", "smoke ", "Smoke", ""])
def test_it_signs_in_nobody_elses_name(folder: Path, subject: str) -> None:
    with pytest.raises(Problem) as refused:
        ask(folder, bearer(SMOKE_KEY, "own", sub=subject))
    assert refused.value.status == 401


@pytest.mark.parametrize("kid", ["issuer", None, "unknown"])
def test_it_signs_under_no_other_kid(folder: Path, kid: str | None) -> None:
    with pytest.raises(Problem) as refused:
        ask(folder, bearer(SMOKE_KEY, kid, roles=["operate"]))
    assert refused.value.status == 401


def test_the_issuers_key_is_not_limited_and_needs_no_kid_while_it_is_the_only_one(folder: Path) -> None:
    assert ask(folder, bearer(ISSUER_KEY, "issuer", sub="alice", roles=["operate"])).roles == {"operate"}
    assert ask(folder, bearer(ISSUER_KEY, None, sub="alice", roles=["operate"])).subject == "alice"


@pytest.mark.parametrize("published", ["own", "another", None])
def test_published_for_everybody_too_it_is_as_limited_and_named(
    folder: Path, published: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    jwks(folder / "jwks.json", jwk(ISSUER_KEY, "issuer"), jwk(SMOKE_KEY, published))
    with caplog.at_level(logging.WARNING):
        assert ask(folder, bearer(SMOKE_KEY, published, roles=["operate", "predict"])).roles == {"predict"}
    assert f"{published}: published for all, but the smoke test's" in caplog.text
    with pytest.raises(Problem):
        ask(folder, bearer(SMOKE_KEY, published, sub="alice"))


def test_keys_of_one_kid_in_both_files_are_told_apart(folder: Path) -> None:
    jwks(folder / "smoke.json", jwk(SMOKE_KEY, "issuer"))
    assert ask(folder, bearer(SMOKE_KEY, "issuer", roles=["operate", "predict"])).roles == {"predict"}
    assert ask(folder, bearer(ISSUER_KEY, "issuer", sub="alice", roles=["operate"])).roles == {"operate"}


def test_an_identity_providers_issuer_and_claim_do_not_lock_it_out(folder: Path) -> None:
    there = {"issuer": "https://login.example.com", "claim": "realm_access.roles"}
    assert ask(folder, bearer(SMOKE_KEY, "own"), **there).roles == {"predict"}
    with pytest.raises(Problem):
        ask(folder, bearer(ISSUER_KEY, "issuer", sub="alice"), **there)


def test_an_environment_with_one_key_for_everything_goes_on_and_is_told(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "smoke.json").unlink()
    with caplog.at_level(logging.WARNING):
        assert ask(folder, bearer(ISSUER_KEY, "issuer", roles=["operate", "predict"])).roles == {"operate", "predict"}
    assert "smoke.json is not there: the key of the smoke test may sign tokens of every role" in caplog.text


@pytest.mark.parametrize("content", ["", "[]", '{"keys": 3}', "\0" * 10])
def test_a_broken_file_takes_the_smoke_test_alone_with_it(
    folder: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "smoke.json").write_text(content)
    with caplog.at_level(logging.WARNING):
        assert ask(folder, bearer(ISSUER_KEY, "issuer", sub="alice")).subject == "alice"
    assert "the smoke test's keys in" in caplog.text
    with pytest.raises(Problem):
        ask(folder, bearer(SMOKE_KEY, "own"))


def test_a_changed_file_counts_at_the_next_reading(folder: Path) -> None:
    found = keyset(folder)
    authenticator = Authenticator(found, "slipway", "slipway")

    async def rotate() -> None:
        await authenticator.principal(bearer(SMOKE_KEY, "own"))
        new = Ed25519PrivateKey.generate()
        jwks(folder / "smoke.json", jwk(new, "new"))
        await found.refresh()
        assert (await authenticator.principal(bearer(new, "new"))).subject == "smoke"
        with pytest.raises(Problem):
            await authenticator.principal(bearer(SMOKE_KEY, "own"))

    asyncio.run(rotate())

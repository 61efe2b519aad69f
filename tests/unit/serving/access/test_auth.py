from __future__ import annotations

import asyncio
import base64
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from serving.access import jwks
from serving.access.auth import Authenticator, require
from serving.access.keys import KeySet
from serving.access.signers import Signers
from serving.http.principal import Principal
from serving.http.problem import Problem

RSA_KEY = rsa.generate_private_key(65537, 2048)
ED_KEY = ed25519.Ed25519PrivateKey.generate()
OTHER_KEY = ed25519.Ed25519PrivateKey.generate()
RSA_JWK = json.loads(RSAAlgorithm.to_jwk(RSA_KEY.public_key())) | {"kid": "r"}
ED_JWK = json.loads(OKPAlgorithm.to_jwk(ED_KEY.public_key())) | {"kid": "e"}


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    made = {"sub": "alice", "roles": ["predict"], "iss": "slipway", "aud": "slipway", "nbf": now, "exp": now + 60}
    return {name: value for name, value in (made | changes).items() if value is not None}


def signed(
    key: Any = ED_KEY, algorithm: str = "EdDSA", kid: str = "e", headers: dict[str, Any] | None = None, **changes: Any
) -> str:
    return jwt.encode(claims(**changes), key, algorithm, headers={"kid": kid} | (headers or {}))


@pytest.fixture
def keyset(tmp_path: Path) -> KeySet:
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": [RSA_JWK, ED_JWK]}))
    found = KeySet(str(file), refresh_seconds=60, stale_seconds=60)
    found.load()
    return found


def ask(keyset: KeySet, token: str | None) -> Principal:
    header = None if token is None else b"Bearer " + token.encode()
    return asyncio.run(Authenticator(keyset, "slipway", "slipway").principal(header))


def refused(keyset: KeySet, token: str | None) -> None:
    with pytest.raises(Problem) as caught:
        ask(keyset, token)
    assert caught.value.status == 401
    assert caught.value.headers[0][0] == b"www-authenticate"


def unsigned(header: dict[str, Any]) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims())]
    return ".".join(parts) + "."


def test_right_tokens_of_both_algorithms_pass(keyset: KeySet) -> None:
    assert ask(keyset, signed()).subject == "alice"
    assert ask(keyset, signed(RSA_KEY, "RS256", "r")).roles == {"predict"}


def test_no_algorithm_is_refused(keyset: KeySet) -> None:
    for name in ("none", "None", "NONE"):
        refused(keyset, unsigned({"alg": name, "kid": "e"}))


def test_a_public_key_as_a_shared_secret_is_refused(keyset: KeySet) -> None:
    import hashlib
    import hmac

    secret = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    body = unsigned({"alg": "HS256", "kid": "r"})[:-1]
    mac = base64.urlsafe_b64encode(hmac.new(secret, body.encode(), hashlib.sha256).digest()).rstrip(b"=").decode()
    refused(keyset, f"{body}.{mac}")


def test_an_algorithm_of_another_key_type_is_refused(keyset: KeySet) -> None:
    refused(keyset, signed(RSA_KEY, "RS512", "r"))
    refused(keyset, signed(RSA_KEY, "PS256", "r"))
    refused(keyset, signed(kid="r"))


def test_keys_that_the_token_brings_are_not_used(keyset: KeySet) -> None:
    # 192.0.2.1 answers nobody: had it been asked, the test would take seconds.
    own = json.loads(OKPAlgorithm.to_jwk(OTHER_KEY.public_key()))
    began = time.monotonic()
    for header in ({"jku": "http://192.0.2.1/jwks"}, {"x5u": "http://192.0.2.1/x"}, {"jwk": own}):
        refused(keyset, signed(OTHER_KEY, headers=header))
        assert ask(keyset, signed(headers=header)).subject == "alice"
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("kid", ["../../etc/passwd", "/dev/null", "e' OR '1'='1", "", "x" * 5000])
def test_a_kid_is_a_name_and_no_path(keyset: KeySet, kid: str) -> None:
    refused(keyset, signed(kid=kid))


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "other"}, {"aud": None}, {"aud": []}, {"iss": "other"}, {"iss": None}, {"exp": 1}, {"exp": None},
        {"exp": "never"}, {"nbf": 2**33}, {"nbf": "x"}, {"sub": None}, {"sub": ""}, {"sub": "a\nb"}, {"sub": "x" * 201},
        {"sub": "\u202eevil"},
    ],
)  # fmt: skip
def test_a_wrong_or_missing_claim_is_refused(keyset: KeySet, change: dict[str, Any]) -> None:
    refused(keyset, signed(**change))
    assert ask(keyset, signed()).subject == "alice"


def test_a_time_before_which_a_token_is_no_good_may_be_left_out(keyset: KeySet) -> None:
    assert ask(keyset, signed(nbf=None)).subject == "alice"


@pytest.mark.parametrize("token", [None, "", "x", "a.b.c", "é", "x" * 9000, signed(OTHER_KEY)])
def test_what_is_no_token_of_ours_is_refused(keyset: KeySet, token: str | None) -> None:
    refused(keyset, token)


def test_a_new_key_is_found_and_a_revoked_one_is_refused(keyset: KeySet, tmp_path: Path) -> None:
    old, new = signed(), signed(OTHER_KEY, kid="n")
    new_jwk = json.loads(OKPAlgorithm.to_jwk(OTHER_KEY.public_key())) | {"kid": "n"}

    async def rotate() -> list[str]:
        asker, said = Authenticator(keyset, "slipway", "slipway"), []
        for listed in ([ED_JWK, new_jwk], [new_jwk]):
            (tmp_path / "jwks.json").write_text(json.dumps({"keys": listed}))
            await keyset.refresh()
            for token in (old, new):
                try:
                    said.append((await asker.principal(b"Bearer " + token.encode())).subject)
                except Problem as problem:
                    said.append(str(problem.status))
        return said

    assert asyncio.run(rotate()) == ["alice", "alice", "401", "alice"]


def test_keys_that_cannot_be_read_serve_for_a_bounded_time(keyset: KeySet, tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_text("gone")
    asyncio.run(keyset.refresh())
    assert keyset.failures == 1
    assert ask(keyset, signed()).subject == "alice"
    stale = KeySet(str(tmp_path / "jwks.json"), 60, stale_seconds=-1)
    with pytest.raises(Problem) as caught:
        ask(stale, signed())
    assert caught.value.status == 503


def test_an_expired_token_is_forgotten(keyset: KeySet) -> None:
    authenticator = Authenticator(keyset, "slipway", "slipway")
    soon = signed(exp=int(time.time()) - 4)  # inside the leeway: verified, yet past its time in the memory

    async def twice() -> None:
        await authenticator.principal(b"Bearer " + soon.encode())
        keyset._keys = Signers()  # only the memory could answer now
        await authenticator.principal(b"Bearer " + soon.encode())

    with pytest.raises(Problem):
        asyncio.run(twice())


def test_roles_that_nobody_knows_give_nothing(keyset: KeySet) -> None:
    principal = ask(keyset, signed(roles=["admin", 1, "operate"]))
    assert principal.roles == {"operate"}
    require(principal, "operate")
    with pytest.raises(Problem) as caught:
        require(principal, "predict")
    assert caught.value.status == 403


@pytest.mark.parametrize(
    "entry",
    [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "s"},
        ED_JWK | {"d": "x"},
        json.loads(RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 1024).public_key())) | {"kid": "w"},  # noqa: S505
        {"kty": "OKP", "crv": "X25519", "x": ED_JWK["x"], "kid": "x"},
        {"kty": "RSA"},
        {"kty": ["RSA"]},
        RSA_JWK | {"kid": 7},
        RSA_JWK | {"n": 5},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "z"},
        "text",
        None,
    ],
)
def test_a_key_that_must_not_verify_is_skipped_with_its_reason(entry: object) -> None:
    found = jwks.parse(json.dumps({"keys": [entry, ED_JWK]}).encode())
    assert set(found.by_kid) == {"e"}
    assert len(found.skipped) == 1


def ec_jwk(key: Any, kid: str | None = "c") -> dict[str, Any]:
    content: dict[str, Any] = json.loads(ECAlgorithm.to_jwk(key.public_key()))
    return content | ({"kid": kid} if kid else {})


EC_KEY = ec.generate_private_key(ec.SECP256R1())


def keyset_of(tmp_path: Path, *entries: dict[str, Any]) -> KeySet:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": entries}))
    found = KeySet(str(file), refresh_seconds=60, stale_seconds=60)
    found.load()
    return found


def test_es256_verifies_and_nothing_else_with_its_key(tmp_path: Path) -> None:
    found = keyset_of(tmp_path, RSA_JWK, ec_jwk(EC_KEY), ED_JWK)
    assert ask(found, signed(EC_KEY, "ES256", "c")).subject == "alice"
    assert ask(found, signed(RSA_KEY, "RS256", "r")).subject == "alice"
    for key, algorithm, kid in ((RSA_KEY, "RS256", "c"), (EC_KEY, "ES256", "r"), (ED_KEY, "EdDSA", "c")):
        refused(found, signed(key, algorithm, kid))
    refused(found, signed(ec.generate_private_key(ec.SECP256R1()), "ES256", "c"))
    body = signed(EC_KEY, "ES256", "c").rpartition(".")[0]
    for signature in (bytes(64), b"", bytes(63), bytes(128)):
        refused(found, f"{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}")
    secret = EC_KEY.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    refused(found, jwt.encode(claims(), secret, "HS256", headers={"kid": "c"}))


def test_keys_for_other_uses_never_verify(tmp_path: Path) -> None:
    other = ec_jwk(ec.generate_private_key(ec.SECP256R1()), "off-curve") | {"x": ec_jwk(EC_KEY)["x"]}
    kept = keyset_of(
        tmp_path, ED_JWK, ec_jwk(EC_KEY) | {"use": "enc"}, RSA_JWK | {"key_ops": ["encrypt"]}, other,
        RSA_JWK | {"kid": "ps", "alg": "PS256"}, ec_jwk(ec.generate_private_key(ec.SECP384R1()), "p384"),
    )  # fmt: skip
    assert len(kept) == 1
    refused(kept, signed(EC_KEY, "ES256", "c"))
    refused(kept, signed(RSA_KEY, "RS256", "r"))
    refused(kept, signed(RSA_KEY, "RS256", "ps"))


def test_keys_and_tokens_without_kid(tmp_path: Path) -> None:
    nameless = {name: value for name, value in ED_JWK.items() if name != "kid"}
    bare = jwt.encode(claims(), ED_KEY, "EdDSA")
    assert ask(keyset_of(tmp_path, nameless, RSA_JWK), bare).subject == "alice"
    assert ask(keyset_of(tmp_path, nameless, RSA_JWK), signed()).subject == "alice"
    assert ask(keyset_of(tmp_path, ED_JWK), bare).subject == "alice"
    refused(keyset_of(tmp_path, ED_JWK, RSA_JWK), bare)
    refused(keyset_of(tmp_path, nameless), jwt.encode(claims(), OTHER_KEY, "EdDSA"))


@pytest.mark.parametrize(
    "value", [10**400, 10**30, 1e300, float("nan"), float("inf"), -1, -0.5, True, "99999999999", [], {}]
)
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_a_time_that_is_no_time_is_refused(keyset: KeySet, name: str, value: object) -> None:
    claim: dict[str, Any] = {name: value}
    refused(keyset, signed(**claim))


def test_a_time_with_a_fraction_is_a_time(keyset: KeySet) -> None:
    assert ask(keyset, signed(exp=time.time() + 9.5, nbf=time.time() - 0.5)).subject == "alice"


def test_a_token_nested_too_deep_is_refused(keyset: KeySet) -> None:
    def part(text: str) -> str:
        return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()

    refused(keyset, part("[" * 3000) + ".e30.e30")
    refused(keyset, part('{"alg":"EdDSA","kid":"e","x":' + "[" * 2500) + ".e30.e30")


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("realm_access.roles", {"realm_access": {"roles": ["offline_access", "predict"]}}),
        ("resource_access.slipway.roles", {"resource_access": {"slipway": {"roles": ["predict"]}}}),
        ("resource_access.my.client.roles", {"resource_access": {"my.client": {"roles": ["predict"]}}}),
        ("https://example.com/roles", {"https://example.com/roles": ["predict"]}),
        ("roles", {"roles": ["predict"]}),
        ("scp", {"scp": "openid predict profile"}),
    ],
)
def test_roles_are_found_where_providers_put_them(keyset: KeySet, path: str, change: dict[str, Any]) -> None:
    header = b"Bearer " + signed(**({"roles": None} | change)).encode()
    principal = asyncio.run(Authenticator(keyset, "slipway", "slipway", path).principal(header))
    assert principal.roles == {"predict"}
    with pytest.raises(Problem, match=f"the token needs the role operate in the claim {path}: it holds .*predict"):
        require(principal, "operate")
    elsewhere = asyncio.run(Authenticator(keyset, "slipway", "slipway", "none.such").principal(header))
    with pytest.raises(Problem, match=r"role predict in the claim none\.such: there is no such claim"):
        require(elsewhere, "predict")


@pytest.mark.parametrize("roles", [{"predict": 1}, 7, [["predict"]], [{"predict": True}], "predicts", None])
def test_other_shapes_of_roles_give_nothing(keyset: KeySet, roles: object) -> None:
    assert ask(keyset, signed(roles=roles)).roles == frozenset()


def test_a_numeric_subject_is_its_digits(keyset: KeySet) -> None:
    assert ask(keyset, signed(sub=42)).subject == "42"
    for subject in (True, 4.5, 10**30, ["a"], {"a": 1}, "\ud800"):
        refused(keyset, signed(sub=subject))

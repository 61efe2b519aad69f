"""What looks like a credential is blanked, in every form, and the rest of a text stays."""

from __future__ import annotations

import time

import pytest

from slipway.redaction import redacted, without_credentials

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"  # pragma: allowlist secret
AWS_KEY = "AKIA" + "IOSFODNN7EXAMPLE"
BEGIN = "-----BEGIN "
SECRET = "hUnter2-x9"
HIDDEN = [
    f"postgresql://ada:{SECRET}@db.example/journal",
    f"postgresql+psycopg://ada:{SECRET}@db.example:5432/journal",
    f"postgresql://ada:p@{SECRET}@db.example/journal",  # a raw @ in the password
    f"redis://:{SECRET}@cache.example:6379/0",
    f"https://{SECRET}@git.example/manifests.git",
    f"s3://{SECRET}:{SECRET}@bucket/models",
    f"host=db user=ada password={SECRET} dbname=journal",
    f"Password: {SECRET}",
    f'{{"password": "{SECRET} and more", "user": "ada"}}',
    f"{{'client_secret': '{SECRET}'}}",
    f"api-key={SECRET}",
    f"X-Api-Key: {SECRET}",
    f"https://mlflow.example/?access_token={SECRET}",
    f"AWS_SECRET_ACCESS_KEY={SECRET}",
    f"aws_session_token = {SECRET}",
    f"https://bucket.example/x?X-Amz-Credential={SECRET}%2F20261127&X-Amz-Signature={SECRET}",
    f"Authorization: Bearer {SECRET}",
    f"Authorization: Basic {SECRET}",
    f"authorization: token {SECRET}",
    f"Proxy-Authorization: {SECRET}",
    f'Authorization: Digest username="ada", response="{SECRET}"',
    f"Authorization: AWS4-HMAC-SHA256 Credential={AWS_KEY}/20261127/x, Signature={SECRET}",
    f"curl -H 'Authorization: Bearer {SECRET}' https://x",
    f"sent bearer {SECRET}",
    f"the key\n{BEGIN}OPENSSH PRIVATE KEY-----\n{SECRET}\n-----END OPENSSH PRIVATE KEY-----\nends",
    f"cut off: {BEGIN}PRIVATE KEY-----\n{SECRET}",
    f"ghp_{SECRET.replace('-', '')}",
    f"glpat-{SECRET}",
]


@pytest.mark.parametrize("text", HIDDEN)
def test_a_credential_is_blanked(text: str) -> None:
    shown = redacted(text)
    assert SECRET not in shown
    assert SECRET.replace("-", "") not in shown
    assert "***" in shown
    assert redacted(shown) == shown, "twice changes nothing"


@pytest.mark.parametrize("text", [JWT, AWS_KEY, AWS_KEY.replace("AKIA", "ASIA"), f"got {JWT}, expired"])
def test_a_token_or_key_id_by_itself_is_blanked(text: str) -> None:
    assert text.split(",")[0].split()[-1] not in redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        "flight-delay version 7 staged",
        "https://mlflow.example/#/models/flight-delay",
        "sha256:" + "a" * 64,
        "registry.example/team/flight-delay@sha256:" + "a" * 64,
        "asked by Ada <ada@example.org>, see https://git.example/1",
        "the token is not valid",
        "late answers at JFK",
    ],
)
def test_the_rest_stays(text: str) -> None:
    assert redacted(text) == text


def test_an_address_keeps_its_host_and_loses_its_login_alone() -> None:
    shown = without_credentials(f"git fetch https://ada:{SECRET}@git.example/x token=kept")
    assert shown == "git fetch https://***@git.example/x token=kept"


@pytest.mark.parametrize("piece", ["a.", "token", "x-amz-", "https://", "{BEGIN}PRIVATE KEY-----", "eyJa.", "=:"])
def test_a_long_text_takes_no_more_than_its_length(piece: str) -> None:
    def seconds(size: int) -> float:
        began = time.perf_counter()
        redacted(piece * (size // len(piece)))
        return time.perf_counter() - began

    assert seconds(80_000) < 40 * seconds(8_000) + 0.05, "quadratic would be 100 times"

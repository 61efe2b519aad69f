from __future__ import annotations

from pathlib import Path

import pytest

from serving import settings
from slipway.errors import BadInput, Refused

SAFE = {"SLIPWAY_JWKS": "keys.json"}
PRODUCTION = SAFE | {"SLIPWAY_ENVIRONMENT": "production", "SLIPWAY_DATABASE_URL": "postgresql://x"}


def test_values_come_from_the_environment_and_what_is_given_wins() -> None:
    found = settings.read(SAFE | {"SLIPWAY_MAX_ROWS": "7", "SLIPWAY_PORT": "1"}, port=2)
    assert (found.max_rows, found.port, found.model) == (7, 2, Path("model"))


@pytest.mark.parametrize(
    ("name", "value"), [("MAX_ROWS", "many"), ("MAX_ROWS", "-1"), ("AUTH", "maybe"), ("DRAIN_SECONDS", "nan")]
)
def test_a_value_that_does_not_parse_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(BadInput, match=f"SLIPWAY_{name}"):
        settings.read(SAFE | {f"SLIPWAY_{name}": value})


def test_production_without_authentication_is_refused() -> None:
    with pytest.raises(Refused, match="without authentication"):
        settings.read(PRODUCTION | {"SLIPWAY_AUTH": "off"})
    assert settings.read({"SLIPWAY_AUTH": "off"}).auth == "off"
    assert settings.read(PRODUCTION).auth == "on"


def test_a_revoked_key_is_looked_for_every_twenty_seconds() -> None:
    assert settings.read(SAFE).jwks_refresh_seconds == 20, "docs/threat-model.md promises it"


def test_no_keys_is_refused_unless_authentication_is_off() -> None:
    with pytest.raises(Refused, match="slipway token"):
        settings.read({})


def test_production_without_a_word_on_the_journal_is_refused() -> None:
    silent = {name: value for name, value in PRODUCTION.items() if name != "SLIPWAY_DATABASE_URL"}
    with pytest.raises(Refused, match="SLIPWAY_JOURNAL=off"):
        settings.read(silent)
    assert not settings.read(silent | {"SLIPWAY_JOURNAL": "off"}).journal_on


def test_a_shared_cache_needs_a_secret() -> None:
    shared = SAFE | {"SLIPWAY_CACHE_REDIS": "on", "SLIPWAY_REDIS_URL": "redis://x"}
    with pytest.raises(Refused, match="SLIPWAY_CACHE_SECRET"):
        settings.read(shared)
    assert settings.read(shared | {"SLIPWAY_CACHE_SECRET": "x" * 16}).cache_redis == "on"


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("REDIS_URL", "http://:secret@cache:6379"),
        ("REDIS_URL", "redis://:secret@cache:port"),
        ("DATABASE_URL", "mysql://me:secret@there/journal"),
        ("DATABASE_URL", "postgresql://me:secret@[there/journal"),
    ],
)
def test_a_store_that_cannot_be_is_refused_without_its_password(name: str, url: str) -> None:
    with pytest.raises(BadInput, match=f"SLIPWAY_{name}") as refused:
        settings.read(SAFE | {f"SLIPWAY_{name}": url})
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", set()),
        (" age , income,", {"age", "income"}),
        ('["income, yearly", "age "]', {"income, yearly", "age "}),
        (' ["[a]"]', {"[a]"}),
        ("[]", set()),
        ("a[0],b", {"a[0]", "b"}),
    ],
)
def test_features_to_leave_out_of_the_journal_may_have_any_name(text: str, names: set[str]) -> None:
    found = settings.read({"SLIPWAY_AUTH": "off", "SLIPWAY_JOURNAL_REDACT": text})
    assert found.redacted == names


@pytest.mark.parametrize("text", ['["a"', "[1]", "[a, b]", '["a"] b', "[" * 100_000])
def test_a_list_of_features_that_does_not_parse_ends_the_start(text: str) -> None:
    with pytest.raises(BadInput, match="SLIPWAY_JOURNAL_REDACT") as refused:
        settings.read({"SLIPWAY_AUTH": "off", "SLIPWAY_JOURNAL_REDACT": text})
    assert refused.value.hint

"""Every setting of the server, with its default, read once from an environment.

Owns names, defaults and what a value may be; the entry points hand in the
environment. Refuses a production server without authentication, and a value
that does not parse, by name.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from slipway.errors import BadInput, Refused

PREFIX = "SLIPWAY_"
DEFAULT_MODEL = Path("model")
DEFAULT_SPOOL = Path("var/spool")
PRODUCTION = "production"


def _setting(default: Any, text: str, choices: tuple[str, ...] = ()) -> Any:
    return field(default=default, metadata={"text": text, "choices": choices})


@dataclass(frozen=True)
class Settings:
    """The server's settings; the variable of `max_rows` is SLIPWAY_MAX_ROWS."""

    model: Path = _setting(DEFAULT_MODEL, "folder of an exported version: model.onnx, schema.json, manifest.json")  # noqa: RUF009 - a frozen default
    environment: str = _setting("development", "where this server runs", choices=("development", "staging", PRODUCTION))
    image_digest: str = _setting("", "digest of the image, shown by /version")
    host: str = _setting("127.0.0.1", "address to listen on")
    port: int = _setting(3000, "port to listen on; 0 takes a free one")
    log_level: str = _setting("info", "least level that is logged", choices=("debug", "info", "warning", "error"))

    auth: str = _setting("on", "off opens every route, is logged, and is refused in production", choices=("on", "off"))
    jwks: str = _setting("", "file or https URL of the public keys that sign tokens (a JWKS)")
    smoke_jwks: str = _setting(
        "",
        "file of the smoke test's public keys (a JWKS): they sign for the subject `smoke` and the role predict alone",
    )
    issuer: str = _setting("slipway", "the only `iss` that is accepted")
    audience: str = _setting("slipway", "the only `aud` that is accepted")
    roles_claim: str = _setting(
        "roles",
        "claim that holds the roles, a list or words; a path such as `realm_access.roles` leads into nested claims",
    )
    jwks_refresh_seconds: float = _setting(20.0, "how often the keys are read again; a revoked key dies with it")
    jwks_stale_seconds: float = _setting(900.0, "how long the last good keys serve while the JWKS cannot be read")
    metrics_access: str = _setting("operate", "who may read /metrics", choices=("operate", "open"))
    docs: str = _setting("on", "the interactive page at /docs", choices=("on", "off"))

    burst_limit: str = _setting("100/second", "most requests of a subject in a short window")
    sustained_limit: str = _setting("3000/minute", "most requests of a subject in a long window")
    read_burst_limit: str = _setting("100/second", "most reads (GET) of a subject in a short window, a pod")
    read_sustained_limit: str = _setting("3000/minute", "most reads (GET) of a subject in a long window, a pod")
    redis_url: str = _setting("", "Redis of limits and cache; empty: limits hold per pod")
    redis_timeout_seconds: float = _setting(0.02, "longest wait for Redis in a request")

    max_body_bytes: int = _setting(1 << 20, "largest request body")
    max_rows: int = _setting(1000, "most rows in a request")
    max_connections: int = _setting(800, "most open connections; past it those that wait for their client are closed")
    max_concurrency: int = _setting(128, "most requests in flight; the next is shed with 503")
    header_seconds: float = _setting(5.0, "longest time for a request's head to arrive")
    body_seconds: float = _setting(5.0, "longest time for a request's body to arrive")
    deadline_seconds: float = _setting(2.0, "a request that waited longer is shed with 503, not computed")
    keep_alive_seconds: int = _setting(75, "how long an idle connection stays open")
    drain_seconds: float = _setting(5.0, "time between SIGTERM and closing the listener; readiness fails meanwhile")
    role_file: str = _setting(
        "",
        "file that holds `active` while the Service sends traffic here; else no connection is kept; empty: keep them",
    )

    cache_entries: int = _setting(0, "answers kept in the process; 0 is off")
    cache_redis: str = _setting("off", "share answers through Redis", choices=("on", "off"))
    cache_seconds: int = _setting(300, "how long an answer is kept")
    cache_secret: str = _setting("", "secret that authenticates answers in Redis; needed by cache_redis")

    journal: str = _setting("on", "off keeps no record of predictions", choices=("on", "off"))
    database_url: str = _setting("", "PostgreSQL of the journal, postgresql://…")
    database_pool: int = _setting(2, "most connections to PostgreSQL")
    spool: Path = _setting(DEFAULT_SPOOL, "folder of journal rows on their way to PostgreSQL")  # noqa: RUF009 - a frozen default
    spool_owner: str = _setting(
        "",
        "this server's folder below SLIPWAY_SPOOL, a volume that pods share; the living ship what others left",
    )
    spool_bytes: int = _setting(256 << 20, "most bytes in the spool; past it requests get 503")
    spool_sync_seconds: float = _setting(0.05, "time between two fsync of the spool")
    journal_redact: str = _setting("", "names of features that are never written down: by comma, or as a JSON list")

    otlp_endpoint: str = _setting("", "OTLP/HTTP endpoint of traces, with the extra serving-trace; empty: no traces")

    @property
    def redacted(self) -> frozenset[str]:
        """Names of the features that the journal leaves out."""
        return frozenset(_names(self.journal_redact))

    @property
    def cache_in_redis(self) -> bool:
        """Whether answers are shared through Redis."""
        return self.cache_redis == "on" and bool(self.redis_url)

    @property
    def journal_on(self) -> bool:
        """Whether predictions are written down."""
        return self.journal == "on" and bool(self.database_url)


def _names(text: str) -> list[str]:
    """Read names by comma, or a JSON list where one has a comma, a quote or a space at its end.

    Raises:
        BadInput: it begins like a JSON list and is none of texts.
    """
    if not text.lstrip().startswith("["):
        return [name.strip() for name in text.split(",") if name.strip()]
    try:
        names = json.loads(text)
    except (ValueError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BadInput(
            "SLIPWAY_JOURNAL_REDACT does not parse",
            expected="names by comma, or a JSON list of names",
            found=text[:200],
            hint="""set it to a list such as '["income, yearly", "age"]'""",
        )
    return names


def read(environment: Mapping[str, str], **given: Any) -> Settings:
    """Read the settings from an environment; what is `given` wins.

    Raises:
        BadInput: a value does not parse.
        Refused: no keys to check tokens with, a shared cache without a secret, or production without authentication
            or without a word on the journal.
    """
    values: dict[str, Any] = {}
    for setting in dataclasses.fields(Settings):
        name = PREFIX + setting.name.upper()
        if name in environment:
            values[setting.name] = _parse(name, environment[name], setting)
    if endpoint := environment.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        values.setdefault("otlp_endpoint", endpoint)
    settings = Settings(**(values | {name: value for name, value in given.items() if value is not None}))
    _refuse_malformed(settings)
    _refuse_unsafe(settings)
    return settings


def _parse(name: str, text: str, setting: dataclasses.Field[Any]) -> Any:
    choices: tuple[str, ...] = setting.metadata["choices"]
    if choices and text not in choices:
        raise BadInput(
            f"{name} does not have one of its values",
            expected=" or ".join(choices),
            found=text,
            hint=f"export {name}={setting.default or choices[0]}",
        )
    kind: Any = type(setting.default) if not isinstance(setting.default, Path) else Path
    try:
        value = kind(text)
    except ValueError:
        raise BadInput(
            f"{name} does not parse",
            expected=f"a value like {setting.default}",
            found=text,
            hint=f"export {name}={setting.default}",
        ) from None
    if kind in (int, float) and not 0 <= value < float("inf"):
        raise BadInput(
            f"{name} is out of range",
            expected="a number that is not negative",
            found=text,
            hint=f"export {name}={setting.default}",
        )
    return value


def _refuse_malformed(settings: Settings) -> None:
    if not re.fullmatch(r"[a-z0-9.-]{0,253}", settings.spool_owner) or settings.spool_owner in (".", ".."):
        raise BadInput(
            "SLIPWAY_SPOOL_OWNER cannot name a folder",
            expected="a pod's name: lower case letters, digits, hyphens and dots",
            found=settings.spool_owner,
            hint="set it from the pod's metadata.name, or unset it on a machine of its own",
        )
    _names(settings.journal_redact)
    _refuse_url("SLIPWAY_REDIS_URL", settings.redis_url, ("redis", "rediss"))
    _refuse_url("SLIPWAY_DATABASE_URL", settings.database_url, ("postgresql", "postgres"))


def _refuse_unsafe(settings: Settings) -> None:
    if settings.environment == PRODUCTION and settings.auth == "off":
        raise Refused(
            "a production server must not run without authentication",
            expected="SLIPWAY_AUTH=on",
            found="SLIPWAY_AUTH=off",
            hint="unset SLIPWAY_AUTH and set SLIPWAY_JWKS to the file or URL of your public keys",
        )
    if settings.auth == "on" and not settings.jwks:
        raise Refused(
            "there are no keys to check tokens with",
            expected="SLIPWAY_JWKS, a file or URL of public keys",
            found="nothing",
            hint="slipway token  (makes keys for development), or SLIPWAY_AUTH=off outside production",
        )
    if settings.environment == PRODUCTION and settings.journal == "on" and not settings.database_url:
        raise Refused(
            "a production server must write a journal",
            expected="SLIPWAY_DATABASE_URL=postgresql://…",
            found="nothing",
            hint="set SLIPWAY_DATABASE_URL, or set SLIPWAY_JOURNAL=off",
        )
    if settings.cache_redis == "on" and len(settings.cache_secret) < 16:
        raise Refused(
            "answers in Redis could be forged: they are not signed",
            expected="SLIPWAY_CACHE_SECRET of at least 16 characters",
            found=f"{len(settings.cache_secret)} characters",
            hint="export SLIPWAY_CACHE_SECRET=$(openssl rand -hex 32)",
        )


def _refuse_url(name: str, url: str, schemes: tuple[str, ...]) -> None:
    try:
        parts = urlsplit(url)
        known = not url or (parts.scheme in schemes and parts.port != 0)
    except ValueError:
        known = False
    if not known:  # without the value: it may hold a password
        raise BadInput(
            f"{name} does not parse",
            expected=f"{schemes[0]}://host:port/…",
            found="another scheme or port",
            hint=f"export {name}={schemes[0]}://HOST:PORT/…",
        )

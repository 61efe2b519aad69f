"""Whether each server of a stack answers as it must, asked by its own protocol.

Also makes what has to be inside them: databases and the bucket. A question
never waits longer than two seconds.
"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Callable

from devstack.plan import HOST, Plan
from devstack.reload import STATE
from devstack.services import BUCKET, DATABASES

SECONDS = 2.0


def fault(plan: Plan, service: str) -> str | None:
    """Return None when the service answers, or what is wrong with it."""
    return _QUESTIONS[service](plan)


def waiting(plan: Plan) -> str | None:
    """Return what the API waits for, None when it serves or has failed."""
    try:
        found = json.loads((plan.folder / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return str(found["detail"]) if found.get("state") == "waiting" else None


def _postgres(plan: Plan) -> str | None:
    import psycopg

    try:
        with psycopg.connect(plan.database("postgres"), autocommit=True, connect_timeout=int(SECONDS)) as connection:
            there = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
            for name in DATABASES:
                if name not in there:
                    connection.execute(f"CREATE DATABASE {name}".encode())
    except psycopg.Error as error:
        return " ".join(str(error).split())
    return None


def _redis(plan: Plan) -> str | None:
    import redis

    client = redis.Redis.from_url(plan.redis(), socket_timeout=SECONDS, socket_connect_timeout=SECONDS)
    try:
        client.ping()
    except redis.RedisError as error:
        return str(error)
    finally:
        client.close()
    return None


def _s3(plan: Plan) -> str | None:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    client = boto3.client(
        "s3",
        endpoint_url=plan.url("s3"),
        aws_access_key_id=plan.credentials.s3_access_key,
        aws_secret_access_key=plan.credentials.s3_secret_key,
        region_name="us-east-1",
        config=Config(retries={"max_attempts": 1}, connect_timeout=SECONDS, read_timeout=SECONDS),
    )
    try:
        if BUCKET not in [found["Name"] for found in client.list_buckets()["Buckets"]]:
            client.create_bucket(Bucket=BUCKET)
        # A store that lists buckets may still be without a volume to write to.
        client.put_object(Bucket=BUCKET, Key="ready", Body=b"1")
    except (BotoCoreError, ClientError) as error:
        return str(error)
    finally:
        client.close()
    return None


def _answers(service: str, path: str) -> Callable[[Plan], str | None]:
    def ask(plan: Plan) -> str | None:
        try:
            url = f"http://{HOST}:{plan.ports[service]}{path}"
            with urllib.request.urlopen(url, timeout=SECONDS) as answer:
                answer.read()
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            return str(error)
        return None

    return ask


_QUESTIONS: dict[str, Callable[[Plan], str | None]] = {
    "postgres": _postgres,
    "redis": _redis,
    "s3": _s3,
    "mlflow": _answers("mlflow", "/health"),
    "api": _answers("api", "/readyz"),
    "prometheus": _answers("prometheus", "/-/ready"),
    "alertmanager": _answers("alertmanager", "/-/ready"),
}

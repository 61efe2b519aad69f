"""The records over MLflow's REST interface, with the login, patience and TLS that MLflow's own client takes.

Source: https://mlflow.org/docs/latest/api_reference/rest-api.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from registry.store.records import NOT_THERE, Alias, Experiment, Refusal, Version, by_model
from slipway.mlflow_login import login

API = "/api/2.0/mlflow"
MOST_MODELS, MOST_VERSIONS, MOST_LOGGED_MODELS = 1000, 10_000, 100  # what a server returns at a time
TRANSIENT = (408, 429, 500, 502, 503, 504)
CODES = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "ENDPOINT_NOT_FOUND"}
# What only MLflow's own client knows how to send.
OWN_CLIENT = ("MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4", "MLFLOW_WORKSPACE")


def serves(environment: Mapping[str, str]) -> bool:
    """Return whether a server is asked with no more than HTTP and a login."""
    return not any(environment.get(name) for name in OWN_CLIENT)


@dataclass(frozen=True)
class Server:
    """A server's address, and how it is asked; `timeout` in seconds, `verify` also a file of certificates."""

    address: str
    timeout: float
    verify: bool | str
    session: requests.Session = field(repr=False)

    def ask(self, method: str, path: str, **content: Any) -> requests.Response:
        """Send a request; transient failures are asked again.

        Raises:
            requests.RequestException: no answer, or a transient failure that stays.
        """
        # Given each time: a session's own counts less than REQUESTS_CA_BUNDLE.
        url = self.address + path
        return self.session.request(method, url, timeout=self.timeout, verify=self.verify, **content)

    def call(self, method: str, path: str, **fields: Any) -> dict[str, Any]:
        """Call the REST interface with these fields; return what it answered.

        Raises:
            Refusal: the server refused, with its error code.
            requests.RequestException: no answer, or a transient failure that stays.
        """
        content = {"params": fields} if method == "GET" else {"json": fields}
        response = self.ask(method, API + path, **content)
        answer = _parsed(response.text)
        if response.status_code != requests.codes.ok:
            raise _refusal(response, answer)
        if answer is None:
            raise Refusal("", f"{API}{path} answered something that is not JSON: {response.text[:200]}")
        return answer

    def pages(self, method: str, path: str, rows: str, **fields: Any) -> Iterator[dict[str, Any]]:
        """Yield every row of a search, page by page."""
        token = ""
        while True:
            answer = self.call(method, path, **fields, **({"page_token": token} if token else {}))
            yield from answer.get(rows, [])
            token = answer.get("next_page_token") or ""
            if not token:
                return


def server(uri: str, environment: Mapping[str, str]) -> Server:
    """Return the server at `uri`, asked as the variables of MLflow's client say."""

    def number(name: str, default: float) -> float:
        return float(environment.get(f"MLFLOW_HTTP_REQUEST_{name}") or default)

    retries = int(number("MAX_RETRIES", 7))
    retry = Retry(
        total=retries,
        backoff_factor=number("BACKOFF_FACTOR", 2),
        backoff_jitter=number("BACKOFF_JITTER", 1),
        status_forcelist=TRANSIENT,
        allowed_methods=None,
        respect_retry_after_header=_set(environment, "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER", default=True),
    )
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    session.headers.update(login(environment).headers())
    session.cert = environment.get("MLFLOW_TRACKING_CLIENT_CERT_PATH") or None
    insecure = _set(environment, "MLFLOW_TRACKING_INSECURE_TLS", default=False)
    verify = environment.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or not insecure
    return Server(uri.rstrip("/"), number("TIMEOUT", 120), verify, session)


@dataclass(frozen=True)
class RestRecords:
    """The records as a server answers them."""

    server: Server

    def versions(self, name: str | None) -> dict[str, list[Version]]:
        where: dict[str, Any] = {} if name is None else {"filter": f"name = '{name}'"}
        models = list(
            self.server.pages("GET", "/registered-models/search", "registered_models", max_results=MOST_MODELS, **where)
        )
        rows = self.server.pages("GET", "/model-versions/search", "model_versions", max_results=MOST_VERSIONS, **where)
        return by_model(
            [model["name"] for model in models],
            [Alias(model["name"], row["alias"], int(row["version"])) for model in models for row in _aliases(model)],
            [_version(row) for row in rows],
        )

    def set_alias(self, name: str, alias: str, number: int) -> None:
        self.server.call("POST", "/registered-models/alias", name=name, alias=alias, version=str(number))

    def delete_alias(self, name: str, alias: str) -> None:
        self.server.call("DELETE", "/registered-models/alias", name=name, alias=alias)

    def set_tag(self, name: str, number: int, key: str, value: str) -> None:
        self.server.call("POST", "/model-versions/set-tag", name=name, version=str(number), key=key, value=value)

    def delete_tag(self, name: str, number: int, key: str) -> None:
        self.server.call("DELETE", "/model-versions/delete-tag", name=name, version=str(number), key=key)

    def location(self, name: str, number: int) -> str:
        answer = self.server.call("GET", "/model-versions/get-download-uri", name=name, version=str(number))
        return str(answer["artifact_uri"])

    def lifecycle(self, run_id: str) -> str:
        return str(self.server.call("GET", "/runs/get", run_id=run_id)["run"]["info"]["lifecycle_stage"])

    def experiment(self, name: str) -> Experiment | None:
        row = _unless_gone(self.server, "/experiments/get-by-name", experiment_name=name).get("experiment")
        return Experiment(str(row["experiment_id"]), str(row["artifact_location"])) if row else None

    def logged_models(self, experiment_id: str) -> set[str]:
        path, fields = "/logged-models/search", {"experiment_ids": [experiment_id], "max_results": MOST_LOGGED_MODELS}
        return {row["info"]["model_id"] for row in self.server.pages("POST", path, "models", **fields)}

    def knows_model(self, model_id: str) -> bool:
        return bool(_unless_gone(self.server, f"/logged-models/{model_id}", allow_deleted="true"))


def _version(row: Mapping[str, Any]) -> Version:
    tags = {tag["key"]: tag.get("value", "") for tag in row.get("tags", [])}
    return Version(
        row["name"], int(row["version"]), row.get("run_id", ""), int(row["creation_timestamp"]), tags, aliases=()
    )


def _aliases(model: Mapping[str, Any]) -> list[dict[str, Any]]:
    aliases: list[dict[str, Any]] = model.get("aliases", [])
    return aliases


def _unless_gone(server: Server, path: str, **fields: Any) -> dict[str, Any]:
    try:
        return server.call("GET", path, **fields)
    except Refusal as refusal:
        if refusal.error_code != NOT_THERE:
            raise
        return {}


def _refusal(response: requests.Response, answer: Mapping[str, Any] | None) -> Refusal:
    if answer is not None:
        return Refusal(str(answer.get("error_code") or "INTERNAL_ERROR"), str(answer.get("message") or response.text))
    where = f"{response.request.method} {response.url} answered {response.status_code}"
    return Refusal(CODES.get(response.status_code, ""), f"{where}: {response.text.strip()[:200]}")


def _parsed(text: str) -> dict[str, Any] | None:
    if not text.strip():
        return {}
    try:
        parsed = json.loads(text)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None


def _set(environment: Mapping[str, str], name: str, *, default: bool) -> bool:
    value = environment.get(name, "").lower()
    return value in ("true", "1") if value else default

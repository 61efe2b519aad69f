"""A GitHub as its own REST description has it: every request and every answer is validated against the extract."""

# ruff: noqa: ARG002 - every answer is made from the same three parts of a request
from __future__ import annotations

import contextlib
import copy
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import jsonschema

DESCRIPTION = json.loads((Path(__file__).parents[2] / "fixtures/github-openapi.json").read_text())
OWNER, REPOSITORY = "octocat", "manifests"


@dataclass
class State:
    """What this GitHub holds; `fail` answers the next requests of a verb and path with a status and headers."""

    branches: dict[str, str] = field(default_factory=dict)
    pulls: list[dict[str, Any]] = field(default_factory=list)
    reviews: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[dict[str, Any]] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    fail: list[tuple[str, str, int, dict[str, str]]] = field(default_factory=list)
    hidden: int = 0
    problems: list[str] = field(default_factory=list)
    url: str = ""

    @property
    def created(self) -> int:
        return len(self.pulls)


def resolve(value: Any) -> Any:
    while isinstance(value, dict) and "$ref" in value:
        _, _, kind, name = value["$ref"].split("/")
        value = DESCRIPTION["components"][kind][name]
    return value


def check(value: Any, schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator({**schema, "components": DESCRIPTION["components"]}).validate(value)


def example(name: str) -> Any:
    found = copy.deepcopy(DESCRIPTION["components"]["examples"][name]["value"])
    found = found[0] if isinstance(found, list) else found
    # The two published examples that do not keep to their own schema: a team and a file without a required key.
    return found | {key: [] for key in ("requested_teams", "files") if key in found}


def operation(verb: str, path: str) -> tuple[str, dict[str, Any], dict[str, str]]:
    for template, verbs in sorted(DESCRIPTION["paths"].items(), key=lambda one: -len(one[0])):
        pattern = re.sub(r"\{(\w+)\}", lambda m: f"(?P<{m[1]}>{'.+' if m[1] == 'ref' else '[^/]+'})", template)
        found = re.fullmatch(pattern, path)
        if found and verb.lower() in verbs:
            return template, verbs[verb.lower()], found.groupdict()
    raise AssertionError(f"GitHub describes no {verb} {path}")


class Handler(BaseHTTPRequestHandler):
    state: State

    def log_message(self, *_: Any) -> None:
        pass

    def _serve(self) -> None:
        split = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        try:
            template, described, named = operation(self.command, unquote(split.path))
            query = {key: values[0] for key, values in parse_qs(split.query).items()}
            self._validate(described, named, query, body)
            for failure in list(self.state.fail):
                verb, part, status, headers = failure
                if verb == self.command and part in template:
                    if status < 500:  # a server's error lasts, to see that it is not asked for ever
                        self.state.fail.remove(failure)
                    self._answer(status, {"message": "no"}, headers)
                    return
            status, said = getattr(self, f"{self.command.lower()}_{self._kind(template)}")(named, query, body)
            self._check(described, status, said)
            self._answer(status, said, {})
        except Exception as error:  # noqa: BLE001 - whatever is wrong fails the test by `problems`
            self.state.problems.append(f"{self.command} {self.path}: {type(error).__name__}: {str(error)[:400]}")
            self._answer(418, {"message": "not as described"}, {})

    do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815

    def _kind(self, template: str) -> str:
        return "_".join(
            re.findall(r"[a-z]+", re.sub(r"\{\w+\}", "one", template.removeprefix("/repos/{owner}/{repo}/")))
        )

    def _validate(self, described: dict[str, Any], named: dict[str, str], query: dict[str, str], body: Any) -> None:
        assert (
            self.headers["Authorization"] == "token secret-token"
            or self.headers["Authorization"] == "Bearer secret-token"
        )
        assert (named["owner"], named["repo"]) == (OWNER, REPOSITORY)
        parameters = {one["name"]: one for one in map(resolve, described.get("parameters", []))}
        for key, value in {**named, **query}.items():
            schema = resolve(parameters[key]["schema"])
            check(int(value) if schema.get("type") == "integer" else value, schema)
        if body is not None:
            schema = described["requestBody"]["content"]["application/json"]["schema"]
            check(body, schema)
            assert set(body) <= set(schema["properties"]), f"unknown keys in {sorted(body)}"

    def _check(self, described: dict[str, Any], status: int, said: Any) -> None:
        answer = resolve(described["responses"][str(status)])
        content = answer.get("content", {}).get("application/json")
        if content and status < 300:
            check(said, content["schema"])

    def _answer(self, status: int, said: Any, headers: dict[str, str]) -> None:
        raw = b"" if status == 204 else json.dumps(said).encode()
        self.send_response(status)
        for key, value in {"Content-Type": "application/json", "Content-Length": str(len(raw)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(raw)

    def get_pulls(self, named: Any, query: dict[str, str], body: Any) -> tuple[int, Any]:
        if self.state.hidden:  # the list lags behind what was just made
            self.state.hidden -= 1
            return 200, []
        found = [pull for pull in self.state.pulls if pull["state"] == query.get("state", "open")]
        return 200, [simple(pull) for pull in found if query.get("head") in (None, pull["head"]["label"])]

    def post_pulls(self, named: Any, query: Any, body: Any) -> tuple[int, Any]:
        open_heads = [pull["head"]["ref"] for pull in self.state.pulls if pull["state"] == "open"]
        if body["head"] in open_heads or body["head"] not in self.state.branches:
            return 422, {"message": "Validation Failed"}
        pull = full(self.state, len(self.state.pulls) + 1, body)
        self.state.pulls.append(pull)
        return 201, pull

    def patch_pulls_one(self, named: Any, query: Any, body: Any) -> tuple[int, Any]:
        pull = self.state.pulls[int(named["pull_number"]) - 1]
        pull.update(body)
        return 200, pull

    def get_pulls_one(self, named: Any, query: Any, body: Any) -> tuple[int, Any]:
        return 200, self.state.pulls[int(named["pull_number"]) - 1]

    def get_pulls_one_reviews(self, named: Any, query: Any, body: Any) -> tuple[int, Any]:
        return 200, self.state.reviews

    def get_commits_one(self, named: Any, query: Any, body: Any) -> tuple[int, Any]:
        commit = example("commit")
        commit["sha"], commit["url"] = (
            named["ref"],
            f"{self.state.url}/repos/{OWNER}/{REPOSITORY}/commits/{named['ref']}",
        )
        return 200, commit

    def get_commits_one_status(self, named: Any, query: Any, body: Any) -> tuple[int, Any]:
        combined = example("combined-commit-status")
        template, known = combined["statuses"][0], {}
        for one in self.state.statuses:
            if one["sha"] == named["ref"]:
                known[one["context"]] = template | {key: one[key] for key in ("state", "context", "description")}
        return 200, combined | {"sha": named["ref"], "statuses": list(known.values())}

    def post_statuses_one(self, named: Any, query: Any, body: Any) -> tuple[int, Any]:
        self.state.statuses.append({"sha": named["sha"], **body})
        return 201, example("status") | {key: body[key] for key in ("state", "context", "description")}

    def post_issues_one_comments(self, named: Any, query: Any, body: Any) -> tuple[int, Any]:
        self.state.comments.append(body["body"])
        return 201, example("issue-comment") | {"body": body["body"]}

    def get_git_ref_one(self, named: Any, query: Any, body: Any) -> tuple[int, Any]:
        branch = named["ref"].removeprefix("heads/")
        if branch not in self.state.branches:
            return 404, {"message": "Not Found"}
        url = f"{self.state.url}/repos/{OWNER}/{REPOSITORY}/git/refs/heads/{branch}"
        return 200, example("git-ref") | {"ref": f"refs/heads/{branch}", "url": url}

    def delete_git_refs_one(self, named: Any, query: Any, body: Any) -> tuple[int, Any]:
        gone = self.state.branches.pop(named["ref"].removeprefix("heads/"), None)
        return (204, None) if gone else (422, {"message": "Reference does not exist"})


def full(state: State, number: int, body: dict[str, Any]) -> dict[str, Any]:
    pull: dict[str, Any] = example("pull-request")
    base = f"{state.url}/repos/{OWNER}/{REPOSITORY}"
    links = {"url": f"{base}/pulls/{number}", "issue_url": f"{base}/issues/{number}"}
    links |= {"comments_url": f"{base}/issues/{number}/comments", "html_url": f"https://github.test/pull/{number}"}
    pull.update(number=number, state="open", title=body["title"], body=body["body"], **links)
    pull["head"].update(ref=body["head"], label=f"{OWNER}:{body['head']}", sha=state.branches[body["head"]])
    pull["head"]["repo"]["full_name"] = f"{OWNER}/{REPOSITORY}"
    return pull


def simple(pull: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = example("pull-request-simple-items")
    return made | {key: value for key, value in pull.items() if key in made}


@contextlib.contextmanager
def serving() -> Iterator[State]:
    state = State()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"state": state}))
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

"""The command line of `slipway protect`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import rich_click

from registry.options import AS_JSON, FOLDER
from slipway.errors import BadInput, Refused, Unavailable

if TYPE_CHECKING:
    import requests

    from release.forges.protection import Ask

TIMEOUT_SECONDS = 15


@click.command(cls=rich_click.RichCommand)
@click.option("--check", is_flag=True, help="Change nothing; exit 4 where GitHub is not as the files say.")
@click.option(
    "--app-id", type=int, envvar="SLIPWAY_APP_ID", show_envvar=True, help="The GitHub App of the release path."
)
@FOLDER
@AS_JSON
def protect(check: bool, app_id: int | None, root: Path, as_json: bool) -> None:
    """Make the GitHub repository's protection match .github/: rulesets, environments, workflow rights.

    Reads GITHUB_REPOSITORY, GITHUB_TOKEN (of an administrator) and
    GITHUB_API_URL. Afterwards, and with --check, it also asks GitHub whether
    every owner in CODEOWNERS exists and may write. Rules that .github/ does not
    name stay.

    Example:

        slipway protect --app-id 1234567
    """
    from registry.options import top
    from release.forges.protection import apply, compare, read

    if app_id is None:
        raise BadInput(
            "no GitHub App is named",
            expected="--app-id or SLIPWAY_APP_ID, a number on the App's page",
            hint="slipway protect --app-id 123456",
        )
    ask, repository = connect(os.environ)
    wanted = read(top(root) / ".github", app_id)
    if not check:
        apply(ask, repository, wanted)
    points = compare(ask, repository, wanted)
    if as_json:
        click.echo(json.dumps({"repository": repository, "points": [asdict(one) for one in points]}, indent=2))
    for one in [] if as_json else points:
        click.echo(f"{one.where}\n  expected: {one.expected}\n  found:    {one.found}")
    wrong = [one.where for one in points if not one.unseen]
    if wrong:
        raise Refused(
            f"{repository} is not protected as .github/ defines",
            found=", ".join(wrong),
            hint="slipway protect, as an administrator"
            if check
            else "correct the settings named above, then run the same command again",
        )
    if not as_json:
        click.echo(f"{repository} is protected as .github/ defines")


def connect(environment: Mapping[str, str]) -> tuple[Ask, str]:
    """Return how GitHub is asked, and the repository.

    Raises:
        BadInput: no repository or no token is named, or it is not a token.
    """
    repository, token = environment.get("GITHUB_REPOSITORY", ""), environment.get("GITHUB_TOKEN", "")
    if not token or repository.count("/") != 1:
        raise BadInput(
            "GITHUB_REPOSITORY and GITHUB_TOKEN are not both set",
            expected="GITHUB_REPOSITORY=owner/name and GITHUB_TOKEN",
            hint="export GITHUB_REPOSITORY=owner/name GITHUB_TOKEN=$(gh auth token)",
        )
    import requests

    from release.forges.token import checked

    url = (environment.get("GITHUB_API_URL") or "https://api.github.com").rstrip("/")
    session = requests.Session()
    session.headers.update({"Authorization": f"Bearer {checked(token)}", "Accept": "application/vnd.github+json"})
    session.headers["X-GitHub-Api-Version"] = "2022-11-28"

    def ask(method: str, path: str, body: Any) -> Any:
        what = f"{method} {path}"
        try:
            answer = session.request(method, f"{url}/{path}", json=body, timeout=TIMEOUT_SECONDS, allow_redirects=False)
        except requests.RequestException as error:
            raise Unavailable(
                f"GitHub gave no answer to {what}",
                found=type(error).__name__,
                hint="check GITHUB_API_URL, then run the same command again",
            ) from error
        return None if answer.status_code == 404 and method == "GET" else _content(answer, what)

    return ask, repository


def _content(answer: requests.Response, what: str) -> Any:
    if answer.status_code in (401, 403, 404, 422):
        said = answer.json().get("message", "") if "json" in answer.headers.get("Content-Type", "") else ""
        hint = "a token with administration: write, of a plan that has rulesets"
        raise Refused(f"GitHub refused {what}", found=f"{answer.status_code} {said}".strip(), hint=hint)
    if answer.status_code >= 300:
        raise Unavailable(f"GitHub failed at {what}", found=str(answer.status_code), hint="run the same command again")
    return answer.json() if answer.content else {}

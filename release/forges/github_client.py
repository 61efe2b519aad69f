"""How GitHub is asked: the client with its patience, and its errors as the project's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from release.forges.token import checked
from slipway.errors import Refused, SlipwayError, Unavailable

TIMEOUT_SECONDS = 15


def client(token: str, url: str, between_writes: float) -> Any:
    """Return a client of the GitHub at `url`, which waits so many seconds between two writes.

    Raises:
        BadInput: it is not a token.
    """
    from github import Auth, Github
    from urllib3.util import Retry

    # A limit that lasts an hour is reported, not slept through; only reading is repeated.
    retry = Retry(total=3, backoff_factor=0.2, status_forcelist=(500, 502, 503, 504), raise_on_status=False)
    return Github(
        auth=Auth.Token(checked(token)),
        base_url=url.rstrip("/"),
        timeout=TIMEOUT_SECONDS,
        retry=retry,
        seconds_between_requests=0,
        seconds_between_writes=between_writes,
        per_page=100,
        lazy=True,
    )


@contextlib.contextmanager
def asking(repository: str, what: str) -> Iterator[None]:
    """Turn GitHub's errors into the project's; `what` is what was asked of it, as a verb.

    Raises:
        Refused: GitHub does not allow it.
        Unavailable: GitHub does not answer, or its limit is used up.
    """
    import requests
    from github import GithubException

    try:
        yield
    except GithubException as error:
        raise _translated(repository, what, error) from error
    except requests.RequestException as error:
        raise Unavailable(
            f"GitHub did not {what}",
            found=type(error).__name__,
            hint="check GITHUB_API_URL, then run the same command again",
        ) from error


def _translated(repository: str, what: str, error: Any) -> SlipwayError:
    status, thing = error.status, f"GitHub did not {what} in {repository}"
    found = f"{status} {(error.data or {}).get('message', '') if isinstance(error.data, dict) else ''}".strip()
    headers = {key.lower(): value for key, value in (error.headers or {}).items()}
    if status == 429 or (status == 403 and ("retry-after" in headers or headers.get("x-ratelimit-remaining") == "0")):
        reset = headers.get("x-ratelimit-reset", "")
        until = datetime.fromtimestamp(int(reset), UTC).isoformat() if reset.isdigit() else "later"
        return Unavailable(
            thing, found=f"{found}: the rate limit is used up", hint=f"run the same command again after {until}"
        )
    if status == 401:
        return Unavailable(thing, found=found, hint="renew GITHUB_TOKEN, then run the same command again")
    if status in (403, 404):
        return Refused(
            thing,
            expected="a token that may write contents, pull requests and commit statuses there",
            found=found,
            hint="check GITHUB_REPOSITORY and the permissions of GITHUB_TOKEN",
        )
    if status == 422:
        return Refused(thing, found=found, hint="check the branch and its protection, then run the same command again")
    return Unavailable(thing, found=found, hint="run the same command again")

"""Whether a token of GitHub's is one that a request can carry."""

from __future__ import annotations

import re

from slipway.errors import BadInput

SENDABLE = re.compile(r"[!-~]+")  # a header takes no other letter; RFC 6750 allows fewer still


def checked(token: str) -> str:
    """Return the token.

    Raises:
        BadInput: it holds what no token has, such as the `…` of a page; the token itself is never shown.
    """
    if not SENDABLE.fullmatch(token):
        raise BadInput(
            "GITHUB_TOKEN is not a token",
            expected="printable ASCII characters without spaces",
            found=f"{len(token)} characters, others among them",
            hint="export GITHUB_TOKEN=$(gh auth token), or paste it without spaces and line ends",
        )
    return token

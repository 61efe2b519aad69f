"""What several commands take in the same words: the argument that names a version."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from slipway.reference import CHAMPION, SYNTAX, of_words


class Former(click.Argument):
    """An argument of a former spelling: read, and not shown."""

    def get_usage_pieces(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return nothing."""
        return []


def version_argument(default: str | None = CHAMPION) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the argument `reference`, a VersionReference; `default` is the alias that a NAME alone means.

    Two words, NAME and VERSION, are read as one.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def parsed(*, name: str, version: str | None, **options: Any) -> Any:
            return command(reference=of_words(name, version, default=default), **options)

        former = click.argument("version", required=False, cls=Former)(parsed)
        return click.argument("name", metavar=SYNTAX)(former)

    return decorate

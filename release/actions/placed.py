"""Where the release of an environment runs, for acts on what the cluster has of it."""

from __future__ import annotations

from release.actions.context import Context
from release.cluster.placement import namespaces
from release.release_file import Release
from slipway.errors import BadInput


def placed(context: Context, name: str, environment: str, expected: str) -> tuple[str, Release]:
    """Return the namespace of an environment and the release that Git has for it.

    Raises:
        BadInput: no such environment, or nothing is released there; `expected` is what the act wants of it.
    """
    namespace = namespaces(context.clone, [name]).get((name, environment))
    release = context.clone.release(name, environment) if namespace else None
    if namespace is None or release is None:
        raise BadInput(
            f"{name} has no release in {environment}", expected=expected, hint=f"slipway stage {name}@NUMBER"
        )
    return namespace, release

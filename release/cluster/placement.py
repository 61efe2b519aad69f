"""Where an environment runs: the namespace that its overlay names, and the cluster asked for its health."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import yaml

from release.cluster.api import Cluster
from release.cluster.health import Health, health
from release.environments import ENVIRONMENTS
from release.git.manifests import Clone
from release.release_file import Release
from slipway.errors import BadInput, SlipwayError


def namespaces(clone: Clone, models: list[str] | None = None) -> dict[tuple[str, str], str]:
    """Return the namespace of each model's environments, read at once.

    Raises:
        BadInput: an overlay is not readable or names none.
    """
    start = f"{clone.remote.folder}/apps"
    wanted = [(model, each) for model in models or clone.models() for each in ENVIRONMENTS]
    paths = {key: f"{start}/{key[0]}/{key[1]}/kustomization.yaml" for key in wanted}
    there = {key: path for key, path in paths.items() if path in clone.files}
    contents = clone.blobs([clone.files[path] for path in there.values()])
    return {key: _namespace(contents[clone.files[path]], path) for key, path in there.items()}


def placement(clone: Clone, name: str, environment: str, expected: str) -> tuple[str, Release]:
    """Return the namespace of an environment and the release that Git has for it.

    Raises:
        BadInput: no such environment, or nothing is released there; `expected` is what the caller wants of it.
    """
    namespace = namespaces(clone, [name]).get((name, environment))
    release = clone.release(name, environment) if namespace else None
    if namespace is None or release is None:
        raise BadInput(
            f"{name} has no release in {environment}", expected=expected, hint=f"slipway stage {name}@NUMBER"
        )
    return namespace, release


def asked_of(clone: Clone, open_cluster: Callable[[], Cluster]) -> Callable[[str, str, str], Health]:
    """Return the question of the rules of promotion; a cluster that does not answer has not said yes."""

    def ask(model: str, environment: str, digest: str) -> Health:
        try:
            namespace = namespaces(clone, [model]).get((model, environment))
            if namespace is None:
                return Health(None, f"{model} has no overlay for {environment}")
            found = open_cluster().rollout(namespace, model)
        except SlipwayError as error:
            return Health(None, f"{error.thing}: {error.found or error.expected or ''}")
        return health(found, digest, f"{namespace}/{model}", datetime.now(UTC))

    return ask


def _namespace(content: bytes, path: str) -> str:
    try:
        found = yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise BadInput(f"{path} is not YAML", found=str(error).splitlines()[0], hint=f"fix {path} and push") from error
    named = found.get("namespace") if isinstance(found, dict) else None
    if not isinstance(named, str):
        raise BadInput(f"{path} names no namespace", expected="namespace: NAME", hint=f"add it to {path} and push")
    return named

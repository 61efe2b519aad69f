"""`slipway trace`: from a pod, a digest, a prediction or a version to all the others, down to the data.

Reads and never changes. A side that does not answer is named, and the rest told nevertheless.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

from registry.tracking import Version
from release.cluster.api import Cluster
from release.cluster.placement import namespaces
from release.cluster.rollouts import Pod
from release.context import Context
from release.environments import ENVIRONMENTS
from release.git.history import history
from slipway.errors import BadInput, SlipwayError
from slipway.reference import SYNTAX, VersionReference, of_words

if TYPE_CHECKING:
    from journal.queries import TracedRequest


@dataclass(frozen=True)
class Prediction:
    """A journal row; `at` is UTC in ISO 8601."""

    request_id: str
    at: str
    model: str
    version: int
    scores: tuple[float, ...]
    latency_us: int


@dataclass(frozen=True)
class ReleaseStep:
    """One release of this digest, by its commit in the manifests."""

    environment: str
    commit: str
    when: str
    action: str | None
    approver: str | None


@dataclass(frozen=True)
class Trace:
    """The complete way; a None is what no one could say, `missing` says who did not answer.

    `data_in_remote` is held, missing, unanswered or not checked.
    """

    kind: str
    model: str
    version: int
    digest: str | None
    run_id: str | None
    git_commit: str | None
    data_md5: str | None
    data_in_remote: str
    data_reason: str
    verdict: str | None
    aliases: tuple[str, ...]
    releases: tuple[ReleaseStep, ...]
    others: tuple[str, ...]
    pods: tuple[Pod, ...]
    predictions: tuple[Prediction, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Sides:
    """Who is asked; `journal` is the address of PostgreSQL, None where there is none."""

    context: Context
    open_cluster: Callable[[], Cluster]
    journal: str | None


def trace(sides: Sides, asked: str) -> Trace:
    """Return the way of what `asked` names: NAMESPACE/POD or POD, sha256:…, a version's reference, a request's id.

    Raises:
        BadInput: no one knows it.
        Unavailable: MLflow does not answer, or whoever knows it.
    """
    missing: list[str] = []
    tracking = sides.context.open_tracking()
    versions = tracking.registered()
    pods = _tolerant(lambda: _pods(sides), missing, [])
    kind, version, predictions = _find(sides, asked, versions, pods, missing)
    tags, number = version.tags, str(version.number)
    data = sides.context.in_remote(version, sides.context.judged(tracking, version))
    digest = tags.get("image_digest")
    return Trace(
        kind=kind,
        model=version.name,
        version=version.number,
        digest=digest,
        run_id=version.run_id or None,
        git_commit=tags.get("git_commit"),
        data_md5=tags.get("data_md5"),
        data_in_remote=data.state.value,
        data_reason=data.reason,
        verdict=tags.get("verdict"),
        aliases=version.aliases,
        releases=tuple(_steps(sides.context, version, digest)),
        others=_others(sides.context, version),
        pods=tuple(one for one in pods if (one.model, one.version) == (version.name, number)),
        predictions=tuple(predictions),
        missing=tuple(missing),
    )


def _find(
    sides: Sides, asked: str, versions: dict[str, list[Version]], pods: list[Pod], missing: list[str]
) -> tuple[str, Version, list[Prediction]]:
    """Return what `asked` is, the version behind it, and the predictions where it is the id of a request."""
    every = [version for registered in versions.values() for version in registered]
    if digest := re.search(r"sha256:[0-9a-f]{64}$", asked):
        return "digest", _version(asked, [one for one in every if one.tags.get("image_digest") == digest[0]]), []
    named = _reference(asked)
    if named and named.model in versions:
        mine = versions[named.model]
        return "version", _version(asked, [one for one in mine if _is(one, named)]), []
    if pod := next((one for one in pods if asked in (one.name, f"{one.namespace}/{one.name}")), None):
        return "pod", _version(asked, [v for v in every if (v.name, str(v.number)) == (pod.model, pod.version)]), []
    predictions = _predictions(sides.journal, asked) if sides.journal else []
    if predictions:
        last = predictions[-1]
        known = [one for one in every if (one.name, one.number) == (last.model, last.version)]
        return "prediction", _version(asked, known), predictions
    if sides.journal is None:
        missing.append("the journal: SLIPWAY_DATABASE_URL is not set")
    raise _unknown(asked, missing)


def _unknown(asked: str, missing: list[str]) -> BadInput:
    return BadInput(
        f"{asked!r} is unknown to the cluster, MLflow, Git and the journal",
        expected=f"a pod, a digest sha256:…, {SYNTAX}, or a request's id in the journal",
        found="; ".join(missing) or "no such pod, version or request",
        hint="slipway status",
    )


def _reference(asked: str) -> VersionReference | None:
    former = re.fullmatch(r"([^/]+)/([0-9]+)", asked)  # NAME/NUMBER
    try:
        return of_words(former[1], former[2]) if former else of_words(asked)
    except BadInput:
        return None


def _is(version: Version, reference: VersionReference) -> bool:
    return version.number == reference.number if reference.number else reference.alias in version.aliases


def _version(asked: str, found: list[Version]) -> Version:
    if not found:
        raise BadInput(
            f"MLflow has no version for {asked}",
            expected="a version that was registered and packaged",
            hint="slipway versions",
        )
    return found[-1]


def _pods(sides: Sides) -> list[Pod]:
    where = sorted(set(namespaces(sides.context.clone).values()))
    return sides.open_cluster().pods(where)


def _steps(context: Context, version: Version, digest: str | None) -> list[ReleaseStep]:
    if version.name not in context.clone.models():
        return []
    return [
        ReleaseStep(each, one.commit.sha, one.commit.when, one.commit.action, one.approver)
        for each in ENVIRONMENTS
        for one in history(context.clone, version.name, each)
        if one.release is not None
        and one.release.version == version.number
        and one.release.digest == digest
        and one.release.run_id == version.run_id
    ]


def _others(context: Context, version: Version) -> tuple[str, ...]:
    """Name releases of this number that were of another run: the model was deleted and made again."""
    if version.name not in context.clone.models():
        return ()
    released = [(each, context.clone.release(version.name, each)) for each in ENVIRONMENTS]
    return tuple(
        f"{each} releases another version {one.version}, of run {one.run_id}: the model was deleted and made again"
        for each, one in released
        if one is not None and one.version == version.number and one.run_id != version.run_id
    )


def _predictions(journal: str, request_id: str) -> list[Prediction]:
    from journal import queries

    return [_prediction(row) for row in queries.trace(journal, request_id)]


def _prediction(row: TracedRequest) -> Prediction:
    if not row.version.isdecimal():
        raise BadInput(
            f"the request {row.request_id} was answered by a model that is not registered",
            expected="a version's number",
            found=f"version {row.version}",
            hint=f"slipway versions {row.model}",
        )
    at = row.requested_at.astimezone(UTC).isoformat()
    return Prediction(row.request_id, at, row.model, int(row.version), tuple(row.scores), row.latency_us)


def _tolerant(ask: Callable[[], list[Pod]], missing: list[str], default: list[Pod]) -> list[Pod]:
    try:
        return ask()
    except SlipwayError as error:
        missing.append(f"{error.thing}: {error.found or error.expected or ''}")
        return default

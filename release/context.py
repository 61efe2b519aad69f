"""What an act of the release path works with, put together by the command line, and how an act is put on record.

Every act is told twice: by an entry of the audit record, and by the trailers of its commit. Each
points at the other. An entry's key names the commit; the commit names the head of the
record before it, where the database's owner cannot change it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from registry.image_statement import Stated, released
from registry.remote import NOTHING, Held
from registry.signing import Trust
from registry.statement import Opinion, read
from registry.tracking import Tracking, Version
from release.audit.audit import Audit
from release.cluster.health import Health
from release.forges.forge import Forge
from release.git.commits import Actor, message
from release.git.manifests import Clone
from release.release_file import Release
from slipway.answer import Answer
from slipway.errors import Unavailable


@dataclass(frozen=True)
class Context:
    """Git, forge, MLflow, audit record, and the questions asked of cluster, image registry and artifact store.

    `health(model, environment, digest)`, `in_registry(image, digest)` and `in_store(tracking, version)`
    answer with the reason when they cannot tell; `judged(tracking, version)` reads the gate's verdict from
    the version's own files and `packaged(tracking, version)` which image was built of it;
    `in_remote(version, opinion)` looks for the data that they list.
    `lost_head` is an entry of the audit record that is known to be lost, `lost_runs` are runs of releases that are.
    """

    clone: Clone
    forge: Forge
    open_tracking: Callable[[], Tracking]
    audit: Audit
    health: Callable[[str, str, str], Health]
    in_registry: Callable[[str, str], Answer]
    in_store: Callable[[Tracking, Version], Answer]
    bake_seconds: float
    say: Callable[[str], None] = lambda _: None
    lost_head: str | None = None
    lost_runs: frozenset[str] = frozenset()
    judged: Callable[[Tracking, Version], Opinion] = lambda tracking, version: read(tracking, version, Trust())
    packaged: Callable[[Tracking, Version], Stated] = lambda tracking, version: released(tracking, version, Trust())
    in_remote: Callable[[Version, Opinion], Held] = lambda _version, _opinion: NOTHING

    @property
    def actor(self) -> Actor:
        return self.clone.remote.actor

    def message(
        self,
        subject: str,
        action: str,
        release: Release,
        environment: str,
        reason: str = "",
        more: Mapping[str, str] = MappingProxyType({}),
        *,
        urgent: bool = False,
    ) -> str:
        """Return the message of a commit that releases to an environment, on the branch as it is now.

        Raises:
            Unavailable: the audit record does not answer, so nothing is begun; an urgent act goes on without it.
        """
        before = self.clone.release(release.model, environment)
        trailers = {**more} | ({"From": before.digest} if before else {})
        try:
            trailers["Audit"] = self.audit.head()
        except Unavailable:
            if not urgent:
                raise
        return message(subject, action, release, reason, **trailers)

    def record(
        self,
        action: str,
        of: str,
        *,
        model: str,
        version: int,
        source: str | None = None,
        target: str | None = None,
        reason: str = "",
        actor: str | None = None,
        happened: str | None = None,
    ) -> None:
        """Append to the audit record; the same action of the same thing is one entry, whoever completes it.

        `happened` is when, in ISO 8601, where the act took place before it is recorded.

        Raises:
            Unavailable: the record does not take it; the same act completes it.
        """
        self.audit.record(
            key=f"{action}:{of}",
            actor=actor or str(self.actor),
            action=action,
            model=model,
            version=version,
            source=source,
            target=target,
            reason=reason,
            happened=happened,
        )

    def record_release(
        self,
        action: str,
        release: Release,
        commit: str,
        environment: str,
        reason: str = "",
        actor: str | None = None,
        happened: str | None = None,
    ) -> None:
        """Record what a commit released: from what the environment ran before it, to `release`.

        It happened when the commit was made, unless `happened` says better.
        """
        parent = self.clone.git.attempt("rev-parse", "--verify", "--quiet", f"{commit}^1").text
        before = self.clone.release(release.model, environment, parent) if parent else None
        made = self.clone.git.attempt("log", "-1", "--format=%cI", commit, "--") if happened is None else None
        self.record(
            action,
            commit,
            model=release.model,
            version=release.version,
            source=before.digest if before else None,
            target=release.digest,
            reason=reason,
            actor=actor,
            happened=made.text or None if made else happened,
        )

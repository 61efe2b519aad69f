"""`slipway promote`: judge a version for production and open the request that copies staging's release file.

Nothing reaches production here. A refusal is tagged on the version and recorded.
"""

from __future__ import annotations

from dataclasses import dataclass

from registry.export import find
from registry.tracking import Tracking, Version
from registry.verdict import Verdict
from release import model_registry
from release.actions.close_request import CLOSE, approvable, close_request, why_stale
from release.actions.request_body import request_body
from release.actions.rules import Facts, judge
from release.actions.stage import overlaid
from release.actions.store_identity import same_stores
from release.bake import baked
from release.context import Context
from release.forges.forge import Request, branch_of, of_branch
from release.git import history
from release.git.commits import DECLINE, PRODUCTION, PROMOTE, STAGING
from release.git.push import branches, push_branch
from release.git.requests import stale, tip
from release.release_file import Release, of_version, render
from slipway.errors import Refused


@dataclass(frozen=True)
class Promotion:
    """A candidate with its verdict; `request` is None where production runs it already."""

    release: Release
    request: Request | None
    created: bool
    verdict: Verdict | None


def promote(
    context: Context, name: str, reference: str = "@champion", rollback: bool = False, reason: str = ""
) -> Promotion:
    """Open the request that brings version `reference` of `name` to production, or find it open.

    Raises:
        BadInput: no such version, no image of it, or no manifests of the model.
        Refused: a rule says no; the version's tag promotion_refused says which.
        Unavailable: Git, MLflow or the forge failed; the same command completes it.
    """
    context.say("asking MLflow")
    same_stores(context, name)
    tracking = context.open_tracking()
    version = find(tracking, name, reference)
    candidate = of_version(version)
    if overlaid(context.clone, name, PRODUCTION) == candidate:
        return Promotion(candidate, None, False, None)
    context.say("judging")
    verdict = judge(facts(context, tracking, version, candidate, rollback))
    if not verdict.passed:
        _refuse(context, version, candidate, verdict)
    context.say("opening the request")
    branch = branch_of(name, candidate.version)
    there = _kept(context, name, branch)
    sha = there or _push(context, candidate, branch, rollback, reason)
    _yield_to_newer(context, name, branch, sha)
    title = f"Release {name} {candidate.version} to production"
    request = context.forge.request(branch, sha, title, request_body(context.clone, candidate, verdict, sha, reason))
    context.forge.report(sha, True, "every rule passed")
    for other in context.forge.open_requests(name):
        if other.version != candidate.version:
            close_request(context, other, why_stale(context, other) or f"version {candidate.version} is asked for now")
    model_registry.refuse(tracking, version, None)
    model_registry.move_champion(tracking, name, candidate.version)
    context.record_release(PROMOTE, candidate, sha, PRODUCTION, reason)
    return Promotion(candidate, request, there is None, verdict)


def facts(context: Context, tracking: Tracking, version: Version, candidate: Release, rollback: bool) -> Facts:
    """Find out everything that the rules ask about a candidate."""
    name, clone = version.name, context.clone
    in_registry, said = context.in_registry(candidate.image, candidate.digest)
    opinion, packaged = context.judged(tracking, version), context.packaged(tracking, version)
    in_store, store_said = context.in_store(tracking, version)
    newer = [one for one in approvable(context, name) if one.version > candidate.version]
    staging = overlaid(clone, name, STAGING)
    gone = history.rejected_run(history.history(clone, name, PRODUCTION), version.number, version.run_id)
    rolled_back = "production was rolled back from it" if gone else None
    production = clone.release(name, PRODUCTION)
    return Facts(
        candidate=candidate,
        verdict=opinion.verdict,
        rejected=version.tags.get(model_registry.REJECTED) or rolled_back,
        staging=staging,
        production=production,
        remade=production is not None and model_registry.of_release(tracking, production) is None,
        health=context.health(name, STAGING, candidate.digest),
        in_registry=in_registry,
        registry_said=said,
        in_store=in_store,
        store_said=store_said,
        other_request=f"{newer[0].url or newer[0].branch} is open" if newer else None,
        rollback=rollback,
        bake_seconds=context.bake_seconds,
        verdict_said=opinion.reason,
        data=context.in_remote(version, opinion),
        baked=baked(context, candidate) if staging != candidate else None,
        packaged=packaged.image is not None if packaged.answered else None,
        packaged_said=packaged.reason,
    )


def _refuse(context: Context, version: Version, candidate: Release, verdict: Verdict) -> None:
    reasons = "; ".join(f"{rule.name}: {rule.reason}" for rule in verdict.failures)
    model_registry.refuse(context.open_tracking(), version, reasons)
    # One record for each set of rules, however often a reconciler asks and whatever the seconds are by then.
    names = ",".join(rule.name for rule in verdict.failures)
    before = context.clone.release(candidate.model, PRODUCTION)
    context.record(
        "refuse",
        f"{candidate.digest}:{names}",
        model=candidate.model,
        version=candidate.version,
        source=before.digest if before else None,
        target=candidate.digest,
        reason=reasons,
    )
    raise Refused(
        f"{version.name} version {version.number} may not go to production",
        expected="every rule of promotion passed",
        found=reasons,
        hint=f"slipway status {version.name}",
    )


def _push(context: Context, candidate: Release, branch: str, rollback: bool, reason: str) -> str:
    clone, path = context.clone, context.clone.path(candidate.model, PRODUCTION)
    more = {"Rollback": "yes"} if rollback else {}
    subject = f"Release {candidate.model} {candidate.version} to production"
    text = context.message(subject, PROMOTE, candidate, PRODUCTION, reason, more)
    sha = clone.commit({path: render(candidate)}, text, [clone.head])
    push_branch(clone, sha, branch)
    return sha


def _kept(context: Context, name: str, branch: str) -> str | None:
    """Return the tip of the request's branch where it goes on; one that is stale or was closed makes room."""
    sha = tip(context.clone, branch)
    if sha is None:
        return None
    found = [one for one in context.forge.open_requests(name) if one.branch == branch]
    why = stale(context.clone, name, sha)
    if why is None and (found or not context.audit.known([f"{CLOSE}:{sha}", f"{DECLINE}:{sha}"])):
        return sha
    request = found[0] if found else Request(name, int(branch.rpartition("/")[2]), branch, sha, "")
    close_request(context, request, f"stale: {why}" if why else "it was closed before; a new one is opened")
    return None


def _yield_to_newer(context: Context, name: str, branch: str, sha: str) -> None:
    # Two that began at once see each other here at the latest; the newer version stays.
    there = {other: of_branch(other) for other in branches(context.clone, f"release/{name}/*")}
    number = int(branch.rpartition("/")[2])
    newer = [
        other
        for other, found in sorted(there.items())
        if found and found[1] > number and not stale(context.clone, name, tip(context.clone, other) or sha)
    ]
    if newer:
        close_request(context, Request(name, number, branch, sha, ""), f"{newer[0]} is open, for a newer version")
        raise Refused(
            f"a newer promotion of {name} is open",
            expected="one request at a time",
            found=newer[0],
            hint=f"slipway approve {name}, or close that request, first",
        )

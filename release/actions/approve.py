"""`slipway approve`: merge a request into the branch, where no forge does it.

Refuses the author's own approval, a request that is not exactly staging's release
file, and one that production has moved away from. What the name of an author is
worth without signed commits: docs/how-to/release.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from release import model_registry
from release.actions.second_look import still_good
from release.actions.store_identity import same_stores, same_version
from release.context import Context
from release.environments import PRODUCTION
from release.forges.forge import PromotionRequest
from release.git.commits import APPROVE, LOG_FORMAT, PROMOTE, read_log
from release.git.history import history
from release.git.manifests import Clone
from release.git.push import BranchStep, step
from release.git.requests import commit_of, stale, tip
from release.git.signatures import Signature, counts, own_signature, signature
from release.release_file import Release
from slipway.errors import BadInput, Refused


@dataclass(frozen=True)
class Approved:
    """What was approved; `created` is False where the same person had approved it before."""

    release: Release
    commit: str
    created: bool


def waiting(context: Context, name: str) -> PromotionRequest | None:
    """Return the request that waits for approval.

    Raises:
        Refused: the forge approves its requests itself, or several wait.
    """
    found = context.forge.open_requests(name)
    if context.forge.name != "git" and found:
        raise Refused(
            f"requests of {name} are approved on {context.forge.name}",
            expected="a review and a merge by a code owner",
            hint=f"open {found[0].url}",
        )
    if len(found) > 1:
        raise Refused(
            f"{len(found)} requests of {name} are open",
            expected="one",
            found=", ".join(one.branch for one in found),
            hint=f"slipway reject {name}@NUMBER --reason …",
        )
    return found[0] if found else None


def approve(context: Context, name: str, tip_seen: str | None = None, reason: str = "") -> Approved:
    """Merge the open request of `name`; `tip_seen` is the commit whose difference was looked at.

    Raises:
        BadInput: no request is open.
        Refused: the request is the approver's own, stale, rejected, or changed since it was looked at; its image is
            gone, or staging is no longer healthy.
    """
    same_stores(context, name)
    request = waiting(context, name)
    if request is None:
        return _approved_before(context, name)
    _not_rejected(context, request)
    release, commit = _merge(context, request, tip_seen or request.tip, reason)
    context.record_release(APPROVE, release, commit, PRODUCTION, reason)
    return Approved(release, commit, True)


def _not_rejected(context: Context, request: PromotionRequest) -> None:
    name, version = request.model, request.version
    why = model_registry.rejected(context.open_tracking(), name).get(version)
    if why is not None:
        raise Refused(
            f"{name} version {version} was rejected",
            found=why,
            hint=f"slipway reject {name}@{version} --reason …, which closes it",
        )


def _merge(context: Context, request: PromotionRequest, tip_seen: str, reason: str) -> tuple[Release, str]:
    """Merge the request into the branch, judged anew on each head that it is merged into."""
    name, version = request.model, request.version
    release: Release | None = None

    def make(clone: Clone) -> BranchStep | None:
        nonlocal release
        sha = tip(clone, request.branch)
        if sha != tip_seen:
            raise Refused(
                "the request changed while it was looked at", found=sha or "no branch", hint=f"slipway diff {name}"
            )
        release = _checked(context, name, sha, version)
        same_version(context, release)
        still_good(context, release)
        path, subject = clone.path(name, PRODUCTION), f"Approve {name} {version} for production"
        more = {"Approved_By": str(context.actor)} | _carried(clone, sha)
        text = context.message(subject, PROMOTE, release, PRODUCTION, reason, more)
        return BranchStep({path: clone.text(path, sha) or ""}, text, (sha,), {request.branch: sha})

    commit = step(context.clone, make)
    assert commit is not None  # noqa: S101 - `make` never has nothing to do
    assert release is not None  # noqa: S101
    return release, commit


def _checked(context: Context, name: str, sha: str, version: int) -> Release:
    clone = context.clone
    why = stale(clone, name, sha)
    if why is not None:
        raise Refused(
            f"the request of {name} {version} can no longer be approved",
            expected="one commit that copies staging's release file to production",
            found=why,
            hint=f"slipway promote {name}@{version}",
        )
    _not_own(context, sha)
    release = clone.release(name, PRODUCTION, sha)
    before = clone.release(name, PRODUCTION)
    if release is None or release.version != version:
        raise Refused(
            f"the branch names version {version}, its release file another",
            expected=f"version {version}",
            found=f"version {release.version}" if release else "nothing",
            hint=f"slipway diff {name}",
        )
    older = before is not None and release.version < before.version
    if older and "Slipway-Rollback" not in commit_of(clone, sha).trailers:
        raise Refused(
            f"{name} version {version} is older than production's {before.version if before else ''}",
            expected="a request that is marked as a rollback",
            hint=f"slipway promote {name}@{version} --rollback --reason …",
        )
    return release


def _not_own(context: Context, sha: str) -> None:
    clone, me = context.clone, context.actor
    said = clone.git.run("log", "-z", f"--format={LOG_FORMAT}", f"{clone.head}..{sha}").out.decode(errors="replace")
    made = [person for commit in read_log(said) for person in (commit.author, commit.committer)]
    own = next((person for person in made if person.key == me.key), None)
    if own is not None:
        raise _own(str(own), str(me))
    mine = own_signature(clone)
    if mine is None:
        return
    for one in clone.git.run("rev-list", f"{clone.head}..{sha}").text.split():
        _by_another(clone, signature(clone, one), mine)
    if not counts(clone, mine):
        raise Refused(
            "the approver's key is not allowed",
            expected="a key in SLIPWAY_ALLOWED_SIGNERS, or a trusted OpenPGP key",
            found=f"key {mine.fingerprint or 'none'}: {mine.said}",
            hint="ask for it to be allowed, or approve with another key",
        )


def _by_another(clone: Clone, signed: Signature, mine: Signature) -> None:
    if not counts(clone, signed):
        raise Refused(
            f"the request is {signed.said}" if signed.letter != "E" else f"the request's signature {signed.said}",
            expected="one signed by an allowed key, since approvals here are signed (SLIPWAY_SIGNING_KEY)",
            found=f"key {signed.fingerprint or 'none'}",
            hint="let its author promote again with SLIPWAY_SIGNING_KEY set, or allow the key",
        )
    if signed.fingerprint == mine.fingerprint:
        raise _own(f"key {mine.fingerprint}", f"key {mine.fingerprint}")


def _own(author: str, approver: str) -> Refused:
    return Refused(
        "you cannot approve your own request",
        expected=f"an approver who is not {author}",
        found=approver,
        hint="ask another person to run slipway approve",
    )


def _carried(clone: Clone, sha: str) -> dict[str, str]:
    return {"Rollback": "yes"} if "Slipway-Rollback" in commit_of(clone, sha).trailers else {}


def _approved_before(context: Context, name: str) -> Approved:
    entries = history(context.clone, name, PRODUCTION)
    if entries and entries[0].release and entries[0].commit.trailers.get("Slipway-Approved-By") == str(context.actor):
        last = entries[0].commit
        context.record_release(APPROVE, entries[0].release, last.sha, PRODUCTION, last.reason)
        return Approved(entries[0].release, last.sha, False)
    raise BadInput(
        f"no request of {name} is open",
        expected="one that waits for its approval",
        hint=f"slipway promote {name}@NUMBER",
    )

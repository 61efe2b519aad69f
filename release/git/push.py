"""One step of the remote's branch: render, commit, push; again from the start if someone was faster.

Never a rebase: what is pushed was rendered and signed on the very commit it stands on.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from release.git.manifests import Clone
from slipway.errors import Refused, Unavailable

ATTEMPTS = 40
LONGEST_WAIT_SECONDS = 2.0
OVERTAKEN = r"fetch first|non-fast-forward|stale info|cannot lock ref|failed to update ref|incorrect old value|atomic"
KEEPS_BRANCHES = r"deletion prohibited|denying ref deletion|refusing to delete|deletion of .* (?:denied|not allowed)"


@dataclass(frozen=True)
class BranchStep:
    """What is to change: files by path, the message, further parents, and branches (name -> tip) that end with it."""

    files: dict[str, str]
    message: str
    parents: tuple[str, ...] = ()
    ends: dict[str, str] = field(default_factory=dict)


def step(
    clone: Clone, render: Callable[[Clone], BranchStep | None], wait: Callable[[float], None] = time.sleep
) -> str | None:
    """Push what `render` makes of the branch as it is now; None where there is nothing to change.

    `render` is asked again for each attempt and raises where the branch no longer allows the step.

    Raises:
        Refused: the remote does not take the push (a protected branch, a hook).
        Unavailable: the remote cannot be reached, or others were faster every time.
    """
    for attempt in range(ATTEMPTS):
        made = render(clone)
        if made is None:
            return None
        commit = clone.commit(made.files, made.message, [clone.head, *made.parents])
        if _attempt(clone, commit, made):
            return commit
        wait(random.uniform(0, min(LONGEST_WAIT_SECONDS, 0.05 * 2**attempt)))  # noqa: S311
    raise Unavailable(
        f"{clone.where} kept moving: {ATTEMPTS} pushes were too late",
        expected="a branch that stays at its commit during one push",
        hint="run the same command again",
    )


def _attempt(clone: Clone, commit: str, made: BranchStep) -> bool:
    """Push once; False where someone was faster.

    Raises:
        Refused: the remote does not take the push.
    """
    refusal = _push(clone, commit, made)
    if refusal is not None and made.ends and re.search(KEEPS_BRANCHES, refusal):
        # The commit counts; a branch that is merged is not an open request, whether or not it is still there.
        refusal = _push(clone, commit, replace(made, ends={}))
    if refusal is None:
        clone.settle(commit)
        return True
    before = clone.head
    clone.fetch()
    if clone.contains(commit):  # the answer was lost, not the push
        return True
    if clone.head == before and not re.search(OVERTAKEN, refusal):
        raise Refused(
            f"{clone.where} does not take the commit",
            expected="the right to push to the branch",
            found=refusal[-600:],
            hint="check the branch's protection and the credentials of this user",
        )
    return False


def push_branch(clone: Clone, commit: str, branch: str) -> None:
    """Make a new branch of the remote; the same branch with the same commit is fine.

    Raises:
        Refused: the branch is there with another commit.
    """
    done = clone.git.attempt(
        "push", "--porcelain", f"--force-with-lease=refs/heads/{branch}:", "origin", f"{commit}:refs/heads/{branch}"
    )
    if done.code and branches(clone, branch).get(branch) != commit:
        raise Refused(
            f"the branch {branch} cannot be made in {clone.where}",
            expected="a branch that is not there yet, and the right to push it",
            found=_said(done.text, done.err),
            hint="run the same command again",
        )


def branches(clone: Clone, pattern: str) -> dict[str, str]:
    """Return the remote's branches that match `pattern`, with their tips."""
    listed = clone.git.run("ls-remote", "--heads", "origin", f"refs/heads/{pattern}").text
    pairs = [line.split("\t") for line in listed.splitlines()]
    return {name.removeprefix("refs/heads/"): tip for tip, name in pairs}


def delete_branch(clone: Clone, branch: str, tip: str) -> None:
    """Delete a branch of the remote that still has this tip; one that is gone is fine."""
    clone.git.attempt(
        "push", "--porcelain", f"--force-with-lease=refs/heads/{branch}:{tip}", "origin", f":refs/heads/{branch}"
    )
    if branch in branches(clone, branch):
        raise Unavailable(
            f"the branch {branch} could not be deleted in {clone.where}",
            expected="the right to delete it",
            hint="run the same command again",
        )


def _push(clone: Clone, commit: str, made: BranchStep) -> str | None:
    leases = [f"--force-with-lease=refs/heads/{name}:{tip}" for name, tip in made.ends.items()]
    ends = [f":refs/heads/{name}" for name in made.ends]
    atomic = ["--atomic"] if ends else []
    target = f"{commit}:refs/heads/{clone.remote.branch}"
    done = clone.git.attempt("push", "--porcelain", *atomic, *leases, "origin", target, *ends)
    return _said(done.text, done.err) if done.code else None


def _said(out: str, err: str) -> str:
    refused = [line for line in out.splitlines() if line.startswith("!")]
    return " ".join([*refused, err]).strip()

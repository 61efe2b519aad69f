"""A Git remote without a forge: the branch is the request, and merging it the approval (`slipway approve`)."""

from __future__ import annotations

from dataclasses import dataclass

from release.forges.forge import Closed, PromotionRequest, Proposal, of_branch
from release.git.manifests import Clone
from release.git.push import branches, delete_branch
from release.git.requests import commit_of, tip


@dataclass(frozen=True)
class Plain:
    """Requests as branches of the manifests' own remote."""

    clone: Clone
    name: str = "git"

    def open_requests(self, model: str) -> list[PromotionRequest]:
        """Return the branches that are not merged, oldest version first."""
        there = branches(self.clone, f"release/{model}/*")
        found = [self._request(branch, sha) for branch, sha in there.items() if of_branch(branch)]
        return sorted((one for one in found if one.state == "open"), key=lambda one: one.version)

    def request(self, branch: str, tip: str, title: str, body: str) -> PromotionRequest:  # noqa: ARG002
        """Return the request; pushing its branch has opened it."""
        return self._request(branch, tip)

    def report(self, tip: str, passed: bool, description: str) -> None:
        """Do nothing: there is no one to show it to."""

    def proposals(self, number: int | None = None) -> list[Proposal]:  # noqa: ARG002
        """Return nothing: Git holds no change back."""
        return []

    def closed(self, branch: str, tip: str) -> Closed | None:  # noqa: ARG002
        """Say that the branch was deleted; Git does not tell by whom. Whether it was merged, the caller looks."""
        return None if branch in branches(self.clone, branch) else Closed(f"its branch {branch} was deleted")

    def close(self, request: PromotionRequest, reason: str) -> None:  # noqa: ARG002
        """Delete the branch; the reason is in the audit record."""
        delete_branch(self.clone, request.branch, request.tip)

    def _request(self, branch: str, sha: str) -> PromotionRequest:
        model, version = of_branch(branch) or ("", 0)
        if self.clone.git.attempt("cat-file", "-e", f"{sha}^{{commit}}").code:
            sha = tip(self.clone, branch) or sha
        state = "merged" if self.clone.contains(sha) else "open"
        return PromotionRequest(model, version, branch, sha, str(commit_of(self.clone, sha).author), state=state)

"""GitHub: a request is a pull request, its approval a review and a merge by a code owner.

Source: https://docs.github.com/en/rest (pulls, reviews, statuses, comments, git references)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from release.forges.forge import Closed, PromotionRequest, Proposal, of_branch
from release.forges.github_client import asking, client
from slipway.errors import BadInput, Refused

STATUS = "slipway/promotion"
LONGEST_DESCRIPTION = 140
LISTED_FILES = 3000  # of a pull request, at most


@dataclass(frozen=True)
class GitHub:
    """One repository of a GitHub, and the branch that requests go to."""

    repository: str
    base: str
    client: Any = field(repr=False)
    name: str = "GitHub"
    judged: set[str] = field(default_factory=set, repr=False)
    """Newest commits that are known to have a verdict: asked for once, not in every pass."""
    unjudged: set[str] = field(default_factory=set, repr=False)
    """Newest commits that `proposals` has just seen without one: the `report` that follows does not ask again."""

    def open_requests(self, model: str) -> list[PromotionRequest]:
        """Return the open pull requests of the repository's own branches, never those of a fork."""
        with asking(self.repository, "list the pull requests"):
            pulls = [
                pull
                for pull in self._repo().get_pulls(state="open", base=self.base)
                if pull.head.ref.startswith(f"release/{model}/") and self._own(pull)
            ]
            found = [self._request(pull) for pull in pulls if of_branch(pull.head.ref)]
        return sorted(found, key=lambda one: one.version)

    def request(self, branch: str, tip: str, title: str, body: str) -> PromotionRequest:
        """Open the pull request of a pushed branch, or return the one that is open as it is.

        Raises:
            Refused: the pull request shows another commit than `tip`.
        """
        with asking(self.repository, f"open the pull request of {branch}"):
            pull = self._find(branch) or self._create(branch, title, body)
            if pull.head.sha != tip:
                raise Refused(
                    f"pull request {pull.html_url} changed meanwhile",
                    expected=f"commit {tip}",
                    found=pull.head.sha,
                    hint="run the same command again",
                )
            return self._request(pull)

    def report(self, tip: str, passed: bool, description: str) -> None:
        """Put the commit status slipway/promotion on a commit."""
        with asking(self.repository, f"set the status of {tip[:12]}"):
            state, said = "success" if passed else "failure", description[:LONGEST_DESCRIPTION]
            commit = self._repo().get_commit(tip)
            last = None if tip in self.unjudged else _verdict(commit)
            self.unjudged.discard(tip)
            if last is None or (last.state, last.description) != (state, said):  # a commit takes 1000 at most
                commit.create_status(state, description=said, context=STATUS)

    def proposals(self, number: int | None = None) -> list[Proposal]:
        """Return the open pull requests, or the one of this number, that are no request and have no verdict yet."""
        with asking(self.repository, "list the pull requests"):
            pulls = self._repo().get_pulls(state="open", base=self.base) if number is None else [self._pull(number)]
            found = [
                pull
                for pull in pulls
                if pull.state == "open"
                and pull.base.ref == self.base
                and not (self._own(pull) and of_branch(pull.head.ref))
                and not self._judged(pull.head.sha)
            ]
            made = [(pull.number, pull.head.sha, self._files(pull)) for pull in found]
            # Pushed to while its files were listed: what was listed may be another commit's.
            return [Proposal(*one) for one in made if self._pull(one[0]).head.sha == one[1]]

    def closed(self, branch: str, tip: str) -> Closed | None:
        """Return who closed the pull request of this commit, and when; None while one is open or if it was merged."""
        with asking(self.repository, f"list the pull requests of {branch}"):
            pulls = [pull for pull in self._pulls(branch, "all") if pull.head.sha == tip]
            if not pulls or any(pull.state == "open" or pull.merged_at for pull in pulls):
                return None
            last = max(pulls, key=lambda pull: pull.number)
            issue = last.as_issue()  # a pull request does not tell who closed it, its issue does
            who = issue.closed_by.login if issue.closed_by else None
            at = last.closed_at.isoformat() if last.closed_at else None
            return Closed(f"{last.html_url} was closed", f"{who} on {self.name}" if who else None, at)

    def close(self, request: PromotionRequest, reason: str) -> None:
        """Close the pull request with a comment, and delete its branch."""
        with asking(self.repository, f"close the request of {request.branch}"):
            pull = self._find(request.branch)
            if pull is not None:
                pull.create_issue_comment(f"Closed: {reason}")
                pull.edit(state="closed")
            self._delete(request.branch)

    def _repo(self) -> Any:
        return self.client.get_repo(self.repository)

    def _own(self, pull: Any) -> bool:
        return pull.head.repo is not None and pull.head.repo.full_name.lower() == self.repository.lower()

    def _judged(self, tip: str) -> bool:
        if tip not in self.judged:
            seen = self.unjudged if _verdict(self._repo().get_commit(tip)) is None else self.judged
            seen.add(tip)
        return tip in self.judged

    def _pull(self, number: int) -> Any:
        found = self._repo().get_pull(number)
        found.complete()  # the client is lazy: nothing has been asked yet
        return found

    def _files(self, pull: Any) -> tuple[tuple[str, str, str | None], ...] | None:
        listed = list(pull.get_files())
        files = [(one.filename, one.status, one.patch) for one in listed]
        files += [(one.previous_filename, "removed", None) for one in listed if one.status == "renamed"]
        return None if len(listed) >= LISTED_FILES else tuple(files)

    def _find(self, branch: str) -> Any:
        return next(iter(self._pulls(branch, "open")), None)

    def _pulls(self, branch: str, state: str) -> list[Any]:
        head = f"{self.repository.partition('/')[0]}:{branch}"
        found = self._repo().get_pulls(state=state, head=head, base=self.base)
        return [pull for pull in found if self._own(pull) and pull.head.ref == branch]

    def _create(self, branch: str, title: str, body: str) -> Any:
        from github import GithubException

        try:
            return self._repo().create_pull(base=self.base, head=branch, title=title, body=body)
        except GithubException as error:
            there = self._find(branch) if error.status == 422 else None
            if there is None:
                raise
            return there

    def _delete(self, branch: str) -> None:
        from github import GithubException

        try:
            found = self._repo().get_git_ref(f"heads/{branch}")
            found.complete()  # GitHub deletes below git/refs, which its answer says; the client asked git/ref
            found.delete()
        except GithubException as error:
            if error.status not in (404, 422):
                raise

    def _request(self, pull: Any) -> PromotionRequest:
        model, version = of_branch(pull.head.ref) or ("", 0)
        last: dict[str, str] = {}
        for review in pull.get_reviews():
            if review.user is not None and review.state in ("APPROVED", "CHANGES_REQUESTED", "DISMISSED"):
                last[review.user.login] = f"{review.state} {review.commit_id}"
        approved = tuple(sorted(who for who, said in last.items() if said == f"APPROVED {pull.head.sha}"))
        return PromotionRequest(
            model,
            version,
            pull.head.ref,
            pull.head.sha,
            pull.user.login,
            pull.html_url,
            pull.number,
            pull.state,
            approved,
        )


def connect(repository: str, base: str, token: str, url: str, between_writes: float = 1.0) -> GitHub:
    """Return a GitHub repository; nothing is asked of it yet.

    Raises:
        BadInput: no repository or no token is named, or it is not a token.
    """
    if not token or repository.count("/") != 1:
        raise BadInput(
            "SLIPWAY_FORGE=github needs GITHUB_REPOSITORY and GITHUB_TOKEN",
            expected="GITHUB_REPOSITORY=owner/name and GITHUB_TOKEN",
            found=f"GITHUB_REPOSITORY={repository or 'unset'}, GITHUB_TOKEN {'set' if token else 'unset'}",
            hint="export GITHUB_REPOSITORY=owner/name GITHUB_TOKEN=$(gh auth token), or SLIPWAY_FORGE=git",
        )
    return GitHub(repository, base, client(token, url, between_writes))


def _verdict(commit: Any) -> Any:
    """Return the last status slipway/promotion of a commit, None where it has none."""
    return next((status for status in commit.get_combined_status().statuses if status.context == STATUS), None)

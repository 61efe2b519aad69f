"""The pages' own Git commands, in the order in which one reader types them, while others push to the same remote."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.pages import PAGES, Block, blocks, journeys
from tests.fixtures.shell import Shell

ROOT = Path(__file__).parents[3]
SECONDS = 60.0
# What writes to the working tree or to a repository. Training, images and the cluster have no part in this.
TYPED = re.compile(r"^(git (?!daemon|clone)|sed -|mkdir |cp (?!var)|cd |make model\b)")
SIGN = r"git (?:\S+ )*push\b"
# Nothing is trained or installed here: a step of a line that does so is done already.
DONE = 'dvc() { :; }; make() { command make --old-file=setup --old-file=.venv/synced "$@"; }'


def chain() -> list[Block]:
    """The journey that begins with the quick start: every page that goes on after it."""
    pages = next(pages for pages in journeys(PAGES) if pages[0].name == "quick-start.md")
    assert {"release.md", "promote-from-mlflow.md", "second-model.md"} <= {page.name for page in pages}
    return [block for page in pages for block in blocks(page) if block.language == "console" and not block.last]


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=Eve", "-c", "user.email=eve@example.com")
    done = subprocess.run(["git", *who, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    clone, home = tmp_path / "slipway", tmp_path / "home"
    git(tmp_path, "clone", "--quiet", str(ROOT), str(clone))
    home.mkdir()
    (home / ".gitconfig").write_text("[user]\n\tname = Ann\n\temail = ann@example.com\n")
    path = f"{ROOT / '.venv/bin'}:{os.environ['PATH']}"
    made = Shell(clone, {"HOME": str(home), "PATH": path, "SLIPWAY_GITOPS_REMOTE": str(clone / "var/git/slipway.git")})
    made.run(f"set -o pipefail; {DONE}", SECONDS)
    yield made
    made.close()


class Others:
    """Somebody else, or the promoter: pushes a release to the remote whenever there is one."""

    def __init__(self, remote: Path, folder: Path) -> None:
        self.remote, self.folder, self.pushed = remote, folder, list[str]()

    def push(self) -> None:
        if not self.remote.is_dir() or not git(self.remote, "for-each-ref"):
            return
        if not self.folder.is_dir():
            git(self.remote, "clone", "--quiet", str(self.remote), str(self.folder))
        git(self.folder, "pull", "--quiet", "--ff-only")
        release = self.folder / "gitops/apps/flight-delay/staging/release/kustomization.yaml"
        release.write_text(release.read_text() + f"# release {len(self.pushed)}\n")
        git(self.folder, "commit", "--quiet", "-am", f"Stage {len(self.pushed)}")
        git(self.folder, "push", "--quiet")
        self.pushed.append(git(self.folder, "rev-parse", "HEAD"))


def test_every_push_arrives_and_nobodys_commit_is_lost_or_rewritten(shell: Shell, tmp_path: Path) -> None:
    clone = tmp_path / "slipway"
    others = Others(clone / "var/git/slipway.git", tmp_path / "others")
    registered, pushes, page = set[str](), 0, None
    for block in chain():
        if block.page != page:
            others.push()
            page = block.page
        for step in block.steps:
            if step.command.startswith("slipway register"):
                registered.add(git(clone, "rev-parse", "HEAD"))
            if not TYPED.search(step.command):
                continue
            printed, code = shell.run(step.command, SECONDS)
            assert code == 0, f"{block.page.name}:{block.line}: {step.command}\n" + "\n".join(printed)
            pushes += len(re.findall(SIGN, step.command))
    assert pushes >= 2
    assert len(others.pushed) >= 3
    remote = others.remote
    kept = git(remote, "rev-list", "--first-parent", "main").split()
    assert set(others.pushed) <= set(kept), "what others pushed is gone from the remote, or off its first parents"
    assert git(remote, "rev-list", "--merges", "main") == git(ROOT, "rev-list", "--merges", "HEAD")
    assert "production" in git(remote, "ls-tree", "--name-only", "main:gitops/apps/flight-very-late")
    assert registered
    assert registered <= set(git(clone, "rev-list", "HEAD").split()), "a version leads back to a commit that is gone"
    assert git(clone, "status", "--porcelain") == "", "the next slipway register would be refused"

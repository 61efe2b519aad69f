"""The repository of manifests: read at one commit, changed by one commit a step.

Works in a bare clone in a temporary folder; the remote changes by one push,
completely or not. Nothing of the content becomes a file here. Refuses links
and submodules among the manifests, and a branch whose history was rewritten
since it was last seen.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from release.environments import ENVIRONMENTS
from release.git.commits import LOG_FORMAT, Actor, Commit, read_log
from release.git.git import Git
from release.release_file import Release, parse
from slipway.atomic import write_bytes
from slipway.errors import BadInput, Refused
from slipway.names import checked
from slipway.redaction import without_credentials

SIGNERS, NOBODY = "gpg.ssh.allowedSignersFile=", "/dev/null"
HERE, STEP = "refs/slipway/branch", "refs/slipway/step"
RELEASE_FILE = "release/kustomization.yaml"
LINK = "120000"  # Git's mode of a symbolic link


@dataclass(frozen=True)
class Remote:
    """Where the manifests are. `seen` is the file that remembers the last commit seen of the branch."""

    url: str
    branch: str
    folder: str
    actor: Actor
    config: tuple[str, ...] = ()
    seen: Path | None = None

    @property
    def signs(self) -> bool:
        """Say whether commits are signed."""
        return any(pair.startswith("user.signingKey=") for pair in self.config)

    @property
    def lists_signers(self) -> bool:
        """Say whether someone listed the SSH keys that may sign."""
        return any(pair.startswith(SIGNERS) and pair != f"{SIGNERS}{NOBODY}" for pair in self.config)


@dataclass
class Clone:
    """The remote's branch as it was at the last `fetch`."""

    git: Git
    remote: Remote
    head: str = ""
    _listed: tuple[str, dict[str, str]] = field(default=("", {}), repr=False)

    def fetch(self) -> str:
        """Look at the branch anew; return its head.

        Raises:
            Refused: its history was rewritten, or links stand among the manifests.
            Unavailable: the remote cannot be reached.
        """
        refs = f"+refs/heads/{self.remote.branch}:{HERE}"
        self.git.run("fetch", "--quiet", "--no-tags", "--filter=blob:none", "origin", refs)
        self.settle(self.git.run("rev-parse", "--verify", f"{HERE}^{{commit}}").text)
        self._listed = (self.head, self.tree(self.head))
        return self.head

    @property
    def files(self) -> dict[str, str]:
        """Path and blob of every file among the manifests at head."""
        if self._listed[0] != self.head:
            self._listed = (self.head, self.tree(self.head))
        return self._listed[1]

    def settle(self, head: str) -> None:
        """Take `head` for the branch's head, and remember it as seen."""
        self.head = head
        self._recognise()

    def tree(self, commit: str, path: str | None = None) -> dict[str, str]:
        """Return path and blob of every file among the manifests at `commit`, or of the one at `path`."""
        below = path or self.remote.folder
        listed = self.git.run("ls-tree", "-r", "-z", "--full-tree", commit, "--", below).out.decode()
        found = {}
        for entry in filter(None, listed.split("\0")):
            facts, _, name = entry.partition("\t")
            mode, kind, blob = facts.split()
            if kind != "blob" or mode == LINK:
                raise Refused(
                    f"{name} in {self.where} is refused",
                    expected="plain files among the manifests",
                    found="a link" if mode == LINK else "a submodule",
                    hint=f"git log -- {name}",
                )
            found[name] = blob
        return found

    @property
    def where(self) -> str:
        """The branch's address for people."""
        return f"{without_credentials(self.remote.url)} ({self.remote.branch})"

    def blobs(self, wanted: list[str]) -> dict[str, bytes]:
        """Return the content of blobs, asked of the remote at once where they are not here."""
        if self._partial() and wanted:
            asked = "\n".join(sorted(set(wanted))).encode()
            words = ("--no-write-fetch-head", "--no-tags", "--quiet", "--filter=blob:none", "--stdin", "origin")
            self.git.attempt("-c", "fetch.negotiationAlgorithm=noop", "fetch", *words, stdin=asked)
        out = self.git.run("cat-file", "--batch", stdin="".join(f"{blob}\n" for blob in wanted).encode()).out
        found, at = {}, 0
        for blob in wanted:
            end = out.index(b"\n", at)
            size = int(out[at:end].split()[2])
            found[blob] = out[end + 1 : end + 1 + size]
            at = end + size + 2
        return found

    def text(self, path: str, commit: str | None = None) -> str | None:
        """Return a file's text at `commit` (default: head); None where there is none."""
        blob = (self.files if commit is None else self.tree(commit, path)).get(path)
        return None if blob is None else self.blobs([blob])[blob].decode()

    def path(self, model: str, environment: str) -> str:
        """Return the path of a release file.

        Raises:
            BadInput: no model's name, or no environment.
        """
        if environment not in ENVIRONMENTS:
            raise BadInput(
                "no such environment", expected=" or ".join(ENVIRONMENTS), found=environment, hint="slipway status"
            )
        return f"{self.remote.folder}/apps/{checked(model)}/{environment}/{RELEASE_FILE}"

    def release(self, model: str, environment: str, commit: str | None = None) -> Release | None:
        """Return what an environment is to run; None where nothing is released yet."""
        path = self.path(model, environment)
        text = self.text(path, commit)
        found = None if text is None else parse(text, path)
        return _own(found, model, path)

    def releases(self) -> dict[tuple[str, str], Release | None]:
        """Return every model's release in every environment at head, in one look."""
        paths = {(model, each): self.path(model, each) for model in self.models() for each in ENVIRONMENTS}
        blobs = self.blobs([self.files[path] for path in paths.values() if path in self.files])
        texts = {key: blobs[self.files[path]].decode() if path in self.files else None for key, path in paths.items()}
        return {
            key: None if text is None else _own(parse(text, paths[key]), key[0], paths[key])
            for key, text in texts.items()
        }

    def models(self) -> list[str]:
        """Return the models that have an overlay."""
        start = f"{self.remote.folder}/apps/"
        return sorted({path[len(start) :].partition("/")[0] for path in self.files if path.startswith(start)})

    def log(self, path: str | None = None, since: str | None = None, commit: str | None = None) -> list[Commit]:
        """Return the branch's commits that changed `path`, newest first, merges as one step."""
        span = f"{since}..{commit or self.head}" if since else (commit or self.head)
        words = ["log", "-z", "--first-parent", f"--format={LOG_FORMAT}", span, "--", *([path] if path else [])]
        return read_log(self.git.run(*words).out.decode(errors="replace"))

    def named(self, names: list[str]) -> dict[str, Commit]:
        """Return the commits of these full names."""
        if not names:
            return {}
        done = self.git.run("log", "-z", "--no-walk=unsorted", f"--format={LOG_FORMAT}", *names)
        return {one.sha: one for one in read_log(done.out.decode(errors="replace"))}

    def commit(self, changes: dict[str, str], message: str, parents: list[str]) -> str:
        """Make a commit, signed if a key is set, with `changes` over the tree of the first parent; return its name."""
        tree = self._changed(changes, parents[0])
        sign = ["-S"] if self.remote.signs else []
        above = [word for parent in parents for word in ("-p", parent)]
        done = self.git.attempt(
            "commit-tree", *sign, *above, tree, stdin=message.encode(), environment=self.remote.actor.environment()
        )
        if done.code:
            raise Refused(
                "the commit could not be signed" if sign else "the commit could not be made",
                expected="a key that signs without asking (SLIPWAY_SIGNING_KEY)",
                found=done.err[-400:],
                hint="gpg --list-secret-keys, or name the path of an SSH key without passphrase or in ssh-agent",
            )
        return done.text

    def _changed(self, changes: dict[str, str], parent: str) -> str:
        # Reads and writes the folders on the way to each file; an index would name every file of every model.
        # The pack stays as it is: to take it apart costs another process.
        stream = f"commit {STEP}\ncommitter slipway <> 0 +0000\ndata 0\nfrom {parent}\n".encode()
        for path, text in changes.items():
            content = text.encode()
            stream += f"M 100644 inline {path}\ndata {len(content)}\n".encode() + content + b"\n"
        words = ("-c", "fastimport.unpackLimit=1", "fast-import", "--quiet", "--force", "--done")
        self.git.run(*words, stdin=stream + b"done\n")
        return f"{STEP}^{{tree}}"

    def contains(self, commit: str, tip: str | None = None) -> bool:
        """Say whether `commit` is in the history of `tip` (default: head)."""
        return self.git.attempt("merge-base", "--is-ancestor", commit, tip or self.head).code == 0

    def _recognise(self) -> None:
        seen = self.remote.seen
        last = seen.read_text().strip() if seen and seen.is_file() else ""
        if last and not self.contains(last):
            raise Refused(
                f"the history of {self.where} was rewritten",
                expected=f"a branch that still holds {last}, seen before",
                found=f"head {self.head}, which does not follow from it",
                hint=f"find out who pushed by force and what is missing; to accept the new history: rm {seen}",
            )
        if seen and last != self.head:
            write_bytes(seen, f"{self.head}\n".encode())

    def _partial(self) -> bool:
        return "://" in self.remote.url or "@" in self.remote.url


@contextlib.contextmanager
def cloned(remote: Remote) -> Iterator[Clone]:
    """Give a clone of the remote's branch for as long as the block lasts.

    Raises:
        Refused: as `Clone.fetch`.
        Unavailable: the remote cannot be reached.
    """
    with tempfile.TemporaryDirectory(prefix="slipway-manifests-", ignore_cleanup_errors=True) as folder:
        git = Git(Path(folder), remote.config)
        git.run("init", "--quiet", "--bare", "--template=")
        git.run("remote", "add", "origin", remote.url)
        clone = Clone(git, remote)
        clone.fetch()
        yield clone


def _own(found: Release | None, model: str, path: str) -> Release | None:
    if found is not None and found.model != model:
        raise BadInput(
            f"{path} releases another model", expected=model, found=found.model, hint=f"git log -p -- {path}"
        )
    return found

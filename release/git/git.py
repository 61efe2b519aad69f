"""The git program, called in one way.

Owns its environment: no hook, no prompt, no pager, no work tree, so that
nothing a repository holds is ever run or written to disk as a file. Refuses to
show credentials of a remote's address.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from slipway import programs
from slipway.errors import Unavailable
from slipway.redaction import without_credentials

CONFIG = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "protocol.ext.allow=never",
    "advice.detachedHead=false",
    "core.quotePath=false",
    "log.showSignature=false",
    "log.follow=false",
)
# How the remote is reached and the user's own settings; every other GIT_* may be of a repository around us.
KEPT = {"GIT_ASKPASS", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_CONFIG_GLOBAL", "GIT_SSL_CAINFO", "GIT_CONFIG_NOSYSTEM"}
TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class GitResult:
    """What one call gave."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode(errors="replace").strip()


@dataclass(frozen=True)
class Git:
    """A bare repository in `folder`; `config` are more key=value settings."""

    folder: Path
    config: tuple[str, ...] = ()

    def attempt(self, *words: str, stdin: bytes = b"", environment: dict[str, str] | None = None) -> GitResult:
        """Run git and return what it said, whatever the exit code.

        Raises:
            Unavailable: it is not installed, gave no answer in time, or calls a program that is not installed.
        """
        settings = [word for pair in (*CONFIG, *self.config) for word in ("-c", pair)]
        environment = _environment() | (environment or {})
        try:
            ran = programs.run(
                ["git", f"--git-dir={self.folder}", *settings, *words],
                input=stdin,
                capture_output=True,
                env=environment,
                timeout=TIMEOUT_SECONDS,
            )
        except programs.NoAnswer as error:
            raise Unavailable(
                f"git {words[0]} gave no answer",
                expected=f"one within {TIMEOUT_SECONDS} s",
                hint="run the same command again",
            ) from error
        done = GitResult(ran.returncode, ran.stdout, without_credentials(ran.stderr.decode(errors="replace").strip()))
        _refuse_missing(done)
        return done

    def run(self, *words: str, stdin: bytes = b"", environment: dict[str, str] | None = None) -> GitResult:
        """Run git.

        Raises:
            Unavailable: it failed.
        """
        done = self.attempt(*words, stdin=stdin, environment=environment)
        if done.code:
            raise Unavailable(
                f"git {words[0]} failed",
                found=done.err[-600:] or f"exit code {done.code}",
                hint="check SLIPWAY_GITOPS_REMOTE and that it can be reached, then run the same command again",
            )
        return done


def _refuse_missing(done: GitResult) -> None:
    # git goes on without it, and calls a signature bad that no one has looked at.
    if missing := re.search(r"^error: cannot run (\S+): No such file or directory$", done.err, re.MULTILINE):
        raise programs.missing(missing[1], "is called by git")


def _environment() -> dict[str, str]:
    # Whoever calls may stand inside a hook or a rebase.
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_") or key in KEPT}
    return kept | {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_REPLACE_OBJECTS": "1"}

"""A machine that lacks what git or a command calls: the refusal names it, and what installs it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from release.git.git import Git
from release.kustomize import build
from slipway.errors import Unavailable

SSH = "-----BEGIN SSH SIGNATURE-----\n U1NIU0lHAAAAAQ==\n -----END SSH SIGNATURE-----"
PGP = "-----BEGIN PGP SIGNATURE-----\n\n iHUEABYKAB0=\n -----END PGP SIGNATURE-----"
WHO = "Ada <ada@example.org> 1795756676 +0000"


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    """A repository, on a machine that has git and nothing else."""
    program, signers = shutil.which("git"), tmp_path / "signers"
    assert program
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").symlink_to(program)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    signers.write_text("* ssh-ed25519 AAAA\n")
    made = Git(tmp_path / "git", (f"gpg.ssh.allowedSignersFile={signers}",))
    made.run("init", "--quiet", "--bare")
    return made


def written(git: Git, signature: str) -> str:
    tree = git.run("hash-object", "-t", "tree", "-w", "--stdin").text
    commit = f"tree {tree}\nauthor {WHO}\ncommitter {WHO}\ngpgsig {signature}\n\nSigned\n"
    return git.run("hash-object", "-t", "commit", "-w", "--stdin", stdin=commit.encode()).text


@pytest.mark.parametrize(("signature", "package"), [(SSH, "openssh-client"), (PGP, "gnupg")], ids=["ssh", "openpgp"])
def test_a_signature_that_cannot_be_checked_is_not_called_bad(git: Git, signature: str, package: str) -> None:
    commit = written(git, signature)
    with pytest.raises(Unavailable) as refused:
        git.run("log", "-1", "--format=%G?", commit)
    assert f"apt-get install {package}, or the package of another system that has it" in (refused.value.hint or "")


@pytest.mark.parametrize(("kind", "program"), [("ssh", "ssh-keygen"), ("openpgp", "gpg")])
def test_what_cannot_be_signed_names_the_program(git: Git, kind: str, program: str) -> None:
    tree = git.run("hash-object", "-t", "tree", "-w", "--stdin").text
    signed = Git(git.folder, (f"gpg.format={kind}", "user.signingKey=/nowhere/key"))
    who = {f"GIT_{role}_{part}": "ada@example.org" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    with pytest.raises(Unavailable, match=f"`{program}` is not installed; it makes and verifies"):
        signed.run("commit-tree", "-S", "-m", "x", tree, environment=who)


def test_a_difference_without_kustomize_names_what_to_install(git: Git, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="kustomize") as refused:
        build(tmp_path)
    assert "kubectl" in (refused.value.hint or "")

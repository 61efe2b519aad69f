"""Signatures of files, by the keys that sign release commits: SSH through ssh-keygen, OpenPGP through gpg.

Each kind of statement has a namespace of its own: what was signed as a commit is not a signature of a verdict, and a
verdict's is none of an image.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from subprocess import CompletedProcess

from slipway import programs
from slipway.errors import Refused

SECONDS = 60


@dataclass(frozen=True)
class Trust:
    """Who may sign: the file of allowed SSH signers, and the key that this machine signs with itself."""

    allowed_signers: Path | None = None
    signing_key: str | None = None

    @property
    def asks(self) -> bool:
        """Say whether a signature is asked for: some key is configured."""
        return self.allowed_signers is not None or self.signing_key is not None


def sign(content: bytes, key: str, namespace: str) -> bytes:
    """Return the detached signature of `content`, as text, by an SSH key's path or an OpenPGP fingerprint.

    OpenPGP has no namespaces: `content` has to name its kind.

    Raises:
        Refused: the key does not sign without asking.
        Unavailable: the program that signs is not installed.
    """
    if key.startswith("key::"):
        with tempfile.NamedTemporaryFile("w", prefix="slipway-key-") as public:
            public.write(key.removeprefix("key::") + "\n")
            public.flush()
            done = _run(["ssh-keygen", "-Y", "sign", "-n", namespace, "-U", "-f", public.name], content)
    elif Path(key).is_file():
        done = _run(["ssh-keygen", "-Y", "sign", "-n", namespace, "-f", key], content)
    else:
        done = _run(["gpg", "--batch", "--armor", "--local-user", key, "--detach-sign"], content)
    if done.returncode or not done.stdout:
        raise Refused(
            f"the statement {namespace} could not be signed",
            expected="a key that signs without asking (SLIPWAY_SIGNING_KEY)",
            found=done.stderr.decode(errors="replace").strip()[-300:] or "no signature",
            hint="gpg --list-secret-keys, or name the path of an SSH key without passphrase or in ssh-agent",
        )
    return done.stdout


def signed_by(content: bytes, signature: bytes, trust: Trust, at: datetime, namespace: str) -> tuple[str, str | None]:
    """Say who signed `content`, and why that does not count; None where it does. Keys must have been allowed `at`."""
    if not trust.asks:
        return "not signed by any key that is known here", None
    if not signature:
        return "", "is not signed, and keys are configured here"
    with tempfile.TemporaryDirectory(prefix="slipway-signature-") as folder:
        file = Path(folder) / "signature"
        file.write_bytes(signature)
        if signature.startswith(b"-----BEGIN SSH SIGNATURE-----"):
            return _ssh(content, file, trust, at, namespace)
        return _openpgp(content, file)


def _ssh(content: bytes, file: Path, trust: Trust, at: datetime, namespace: str) -> tuple[str, str | None]:
    when = f"-Overify-time={at.astimezone():%Y%m%d%H%M%S}"
    if trust.allowed_signers is None:
        done = _run(["ssh-keygen", "-Y", "check-novalidate", "-n", namespace, "-s", str(file)], content)
        own = _fingerprint(_run(["ssh-keygen", "-lf", trust.signing_key or ""], b"").stdout)
        key = _fingerprint(done.stdout)
        if done.returncode == 0 and key and key == own:
            return f"signed by this machine's key {key}", None
        return "", "is signed by another key than this machine's; SLIPWAY_ALLOWED_SIGNERS lists whose count"
    allowed = str(trust.allowed_signers)
    found = _run(["ssh-keygen", "-Y", "find-principals", when, "-f", allowed, "-s", str(file)], b"")
    for principal in found.stdout.decode(errors="replace").splitlines():
        words = ["-f", allowed, "-I", principal, "-n", namespace, "-s", str(file)]
        done = _run(["ssh-keygen", "-Y", "verify", when, *words], content)
        if done.returncode == 0:
            return f"signed by {principal}, key {_fingerprint(done.stdout)}", None
    return "", "is signed by a key that is not allowed, or changed since it was signed"


def _openpgp(content: bytes, file: Path) -> tuple[str, str | None]:
    words = ["gpg", "--batch", "--no-auto-key-retrieve", "--status-fd", "1", "--verify", str(file), "-"]
    done = _run(words, content)
    output = done.stdout.decode(errors="replace")
    key = re.search(r"^\[GNUPG:\] VALIDSIG .*?([0-9A-F]{40})$", output, re.MULTILINE)
    trusted = re.search(r"^\[GNUPG:\] TRUST_(FULLY|ULTIMATE)\b", output, re.MULTILINE)
    spoilt = re.search(r"^\[GNUPG:\] (EXPKEYSIG|REVKEYSIG|EXPSIG|BADSIG)\b", output, re.MULTILINE)
    if done.returncode or not key or not trusted or spoilt:
        return "", "is signed by a key that the keyring does not trust, or changed since it was signed"
    return f"signed by key {key[1]}", None


def _fingerprint(output: bytes) -> str:
    found = re.search(rb"SHA256:[\w+/]+", output)
    return found[0].decode() if found else ""


def _run(command: list[str], content: bytes) -> CompletedProcess[bytes]:
    try:
        return programs.run(command, input=content, capture_output=True, timeout=SECONDS)
    except programs.NoAnswer as error:
        raise Refused(
            f"{command[0]} gave no answer",
            expected=f"one within {SECONDS} s: a key that asks for nothing",
            hint="use a key without passphrase, or one in ssh-agent",
        ) from error

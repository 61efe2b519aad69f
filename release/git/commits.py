"""What a commit of the release path says: the message with its trailers, and who stands behind it.

Every trailer is one line, so that no reason can forge another.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from release.release_file import Release
from slipway.errors import BadInput

STAGE, PROMOTE, ROLLBACK, REVERT = "stage", "promote", "rollback", "revert"
APPROVE = "approve"  # what the audit record calls the merge of a promotion
OWN = "unapproved"  # and the merge of one's own request, which no one else approved
DECLINE = "decline"  # and the closing of a request by a person
HOLD = "hold"  # and a release that was taken back by Git alone
AUDIT_HEAD = r"(0|[1-9][0-9]{0,17}):[0-9a-f]{64}"


@dataclass(frozen=True)
class Actor:
    """A person or a bot, as Git names it."""

    name: str
    email: str

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"

    @property
    def key(self) -> str:
        """The address without case and plus-part: one person has many spellings of it."""
        local, _, domain = self.email.lower().partition("@")
        return f"{local.partition('+')[0]}@{domain}"

    def environment(self) -> dict[str, str]:
        return {
            f"GIT_{role}_{part}": value
            for role in ("AUTHOR", "COMMITTER")
            for part, value in (("NAME", self.name), ("EMAIL", self.email))
        }


@dataclass(frozen=True)
class Commit:
    """A commit with the trailers of its message; `when` is the committer's time, ISO 8601.

    A trailer that is there twice with different values is in `contradicts` and not in `trailers`:
    no one can tell which one counts.
    """

    sha: str
    parents: tuple[str, ...]
    author: Actor
    committer: Actor
    when: str
    subject: str
    trailers: dict[str, str] = field(default_factory=dict)
    contradicts: tuple[str, ...] = ()

    @property
    def action(self) -> str | None:
        return self.trailers.get("Slipway-Action")

    @property
    def reason(self) -> str:
        return self.trailers.get("Slipway-Reason", "")

    @property
    def audit_head(self) -> str | None:
        """Return `SEQUENCE:HASH` of the audit record before this commit; None where it noted none, or no such thing."""
        said = self.trailers.get("Slipway-Audit", "")
        return said if re.fullmatch(AUDIT_HEAD, said) else None

    @property
    def record_key(self) -> str | None:
        """Return the key of the audit entry that this commit of the branch promised; None where it promised none."""
        approved = self.action == PROMOTE and "Slipway-Approved-By" in self.trailers
        if self.audit_head is None or not (approved or self.action in (STAGE, ROLLBACK, REVERT)):
            return None
        return f"{APPROVE if approved else self.action}:{self.sha}"


def actor(text: str) -> Actor:
    """Read `Name <address>`.

    Raises:
        BadInput: it is not of that form.
    """
    found = re.fullmatch(r"\s*([^<>\n\r]*[^<>\s])\s*<([^<>\s@]+@[^<>\s@]+)>\s*", text)
    if not found:
        raise BadInput(
            "no one is named as the author of this step",
            expected="Name <address>",
            found=text or "nothing",
            hint="export SLIPWAY_ACTOR='Ada Lovelace <ada@example.org>', or git config --global user.email",
        )
    return Actor(found[1], found[2])


def signing(key: str | None) -> tuple[str, ...]:
    """Return git's settings that sign with `key`: an SSH key's path, or an OpenPGP fingerprint.

    Raises:
        BadInput: it is a path, and there is no file.
    """
    if not key:
        return ()
    if "/" in key and not key.startswith("key::") and not Path(key).is_file():
        raise BadInput(
            "SLIPWAY_SIGNING_KEY names no file",
            expected="the path of an SSH key, or an OpenPGP fingerprint",
            found=key,
            hint="correct the path; a ~ is not expanded inside quotes",
        )
    kind = "ssh" if Path(key).is_file() or key.startswith("key::") else "openpgp"
    return (f"gpg.format={kind}", f"user.signingKey={key}")


def message(subject: str, action: str, release: Release, reason: str = "", **more: str) -> str:
    """Return a message with the trailers of `release` and the reason; `more` are trailers such as Approved_By."""
    trailers = {
        "Slipway-Action": action,
        "Slipway-Model": release.model,
        "Slipway-Version": str(release.version),
        "Slipway-Run": release.run_id,
        "Slipway-Digest": release.digest,
    } | {f"Slipway-{key.replace('_', '-')}": _line(value) for key, value in more.items()}
    trailers |= {"Slipway-Reason": _line(reason)} if _line(reason) else {}
    return f"{_line(subject)}\n\n" + "".join(f"{key}: {value}\n" for key, value in trailers.items())


# NUL is the one byte that no name, subject or trailer can hold: whatever else divides fields, an author can write.
FIELDS = ("%H", "%P", "%an", "%ae", "%cn", "%ce", "%cI", "%s", "%(trailers:only,unfold)")
LOG_FORMAT = "%x00".join(FIELDS)


def read_log(text: str) -> list[Commit]:
    """Read what `git log -z --format=LOG_FORMAT` wrote."""
    fields = text.split("\0")
    return [_commit(fields[at : at + len(FIELDS)]) for at in range(0, len(fields) - len(FIELDS) + 1, len(FIELDS))]


def _commit(fields: list[str]) -> Commit:
    sha, parents, an, ae, cn, ce, when, subject, trailers = fields
    # A line ends where Git ends it, not at one of the ten characters that Python takes for one.
    pairs = [line.partition(": ") for line in trailers.split("\n") if ": " in line]
    values: dict[str, set[str]] = {}
    for key, _, value in pairs:
        values.setdefault(_spelt(key), set()).add(value.strip())
    agreed = {key: value for key, (value, *others) in values.items() if not others}
    contradicts = tuple(sorted(set(values) - set(agreed)))
    people = Actor(an, ae), Actor(cn, ce)
    return Commit(sha.strip(), tuple(parents.split()), *people, when, _line(subject), agreed, contradicts)


def _spelt(key: str) -> str:
    parts = key.strip().split("-")
    return "-".join(part.capitalize() for part in parts) if parts[0].lower() == "slipway" else key.strip()


def _line(text: str) -> str:
    clean = text.encode(errors="replace").decode()  # what came in as no UTF-8
    return " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", clean).split())

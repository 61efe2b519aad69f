"""Who signed a commit, as the git program verifies it, and whether that counts.

Who may sign is a list of SSH keys (SLIPWAY_ALLOWED_SIGNERS) and whatever OpenPGP keys
the keyring trusts. A person is a key here, whatever the names are.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from release.git.commits import Actor
from release.git.manifests import NOBODY, SIGNERS, Clone

# git's %G?: good, good of unknown trust; every other letter is not a signature worth the name
GOOD, UNTRUSTED = "G", "U"
WORDS = {
    "N": "not signed",
    "U": "signed by a key that is not allowed",
    "B": "bad signature",
    "E": "cannot be checked: the key is not known here",
    "X": "signed by a signature that has expired",
    "Y": "signed by a key that has expired",
    "R": "signed by a key that was revoked",
}


@dataclass(frozen=True)
class Signature:
    """git's letter for a signature, and the fingerprint of its key: of the primary one, where it has subkeys."""

    letter: str
    fingerprint: str

    @property
    def said(self) -> str:
        """Say in words what is wrong with it."""
        return WORDS.get(self.letter, "not valid")


def signature(clone: Clone, sha: str) -> Signature:
    """Verify one commit's signature."""
    return signatures(clone, [sha])[sha]


def signatures(clone: Clone, names: Iterable[str]) -> dict[str, Signature]:
    """Verify the signatures of commits, by their names, in one run of git."""
    wanted = list(dict.fromkeys(names))
    if not wanted:
        return {}
    listed = "\n".join(wanted).encode()
    words = ("log", "-z", "--no-walk=unsorted", "--format=%H%x00%G?%x00%GF%x00%GP", "--stdin")
    fields = clone.git.run(*words, stdin=listed).out.decode(errors="replace").split("\0")
    rows = [fields[at : at + 4] for at in range(0, len(fields) - 3, 4)]
    found = {sha: Signature(letter or "N", primary.strip() or key.strip()) for sha, letter, key, primary in rows}
    return {name: found.get(name) or next(iter(found.values())) for name in wanted}


def own_signature(clone: Clone) -> Signature | None:
    """Return what the key that this clone signs with makes; None without one."""
    if not clone.remote.signs:
        return None
    return signature(clone, clone.commit({}, "Whose key is this\n", [clone.head]))


def counts(clone: Clone, signed: Signature) -> bool:
    """Say whether a signature is one of those who may: good by an SSH key will do where no one listed any."""
    if signed.letter == UNTRUSTED and signed.fingerprint.startswith("SHA256:") and not clone.remote.lists_signers:
        return True
    return signed.letter == GOOD and bool(signed.fingerprint)


def listed(clone: Clone) -> dict[str, tuple[str, ...]]:
    """Return the patterns of addresses that the list of allowed signers gives each SSH key, by fingerprint."""
    files = [pair.removeprefix(SIGNERS) for pair in clone.remote.config if pair.startswith(SIGNERS)]
    texts = [Path(one).read_text(errors="replace") for one in files if one != NOBODY and Path(one).is_file()]
    return principals("\n".join(texts))


def principals(allowed_signers: str) -> dict[str, tuple[str, ...]]:
    """Read a file of allowed signers: the patterns of addresses of each key, by its fingerprint.

    Source: https://man.openbsd.org/ssh-keygen#ALLOWED_SIGNERS
    """
    found: dict[str, tuple[str, ...]] = {}
    for words in (line.split() for line in allowed_signers.splitlines() if not line.lstrip().startswith("#")):
        at = next((place for place, word in enumerate(words[1:-1], 1) if word.startswith(("ssh-", "ecdsa-", "sk-"))), 0)
        if not at or "cert-authority" in words[1:at]:
            continue
        try:
            digest = hashlib.sha256(base64.b64decode(words[at + 1], validate=True)).digest()
        except binascii.Error:
            continue
        print_of_key = "SHA256:" + base64.b64encode(digest).decode().rstrip("=")
        found[print_of_key] = (*found.get(print_of_key, ()), *words[0].strip('"').lower().split(","))
    return found


def speaks_for(patterns: tuple[str, ...], person: Actor) -> bool:
    """Say whether a key that is listed for these addresses signs in the name of `person`.

    A principal that is not an address names a role and not a person, so it says nothing about names.
    """
    addresses = [one for one in patterns if "@" in one or "*" in one]
    spelt = {person.key, person.email.lower()}
    return len(addresses) < len(patterns) or any(fnmatch.fnmatchcase(one, each) for each in addresses for one in spelt)

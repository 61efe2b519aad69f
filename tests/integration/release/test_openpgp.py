"""Signing by OpenPGP, with the real gpg: by every command, and beside people who sign by SSH."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from registry import image_statement
from registry.image_statement import IMAGE
from registry.signing import Trust, sign, signed_by
from registry.statement import VERDICT
from registry.tracking import Tracking
from release.actions.approve import approve
from release.actions.promote import promote
from release.actions.rollback import rollback
from release.actions.stage import stage
from release.git.commits import Actor
from release.git.signatures import signature
from release.git.signers import verify
from slipway.errors import Refused
from tests.fixtures.registered import judged
from tests.integration.release.conftest import ReleaseBench

pytestmark = pytest.mark.long
ADA, BOB, BOT = (Actor(name, f"{name.lower()}@example.org") for name in ("Ada", "Bob", "bot"))


@dataclass(frozen=True)
class Ring:
    """A keyring of its own, in a folder whose name is short enough for gpg-agent's socket."""

    home: Path

    def gpg(self, *words: str, stdin: str = "") -> str:
        command = ["gpg", "--homedir", str(self.home), "--batch", "--quiet", "--pinentry-mode", "loopback"]
        done = subprocess.run(
            [*command, "--passphrase", "", *words], input=stdin, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def make(self, name: str) -> str:
        self.gpg("--quick-generate-key", f"{name} <{name.lower()}@example.org>", "ed25519", "sign", "0")
        return self.keys(f"{name.lower()}@example.org")[0]

    def keys(self, who: str) -> list[str]:
        listed = self.gpg("--list-keys", "--with-colons", "--with-subkey-fingerprint", who).splitlines()
        return [line.split(":")[9] for line in listed if line.startswith("fpr")]

    def trust(self, key: str, level: int) -> None:
        self.gpg("--import-ownertrust", stdin=f"{key}:{level}:\n")


@pytest.fixture
def make_ring() -> Iterator[Callable[[], Ring]]:
    made: list[Ring] = []

    def make() -> Ring:
        made.append(Ring(Path(tempfile.mkdtemp(prefix="gpg-"))))
        return made[-1]

    yield make
    for one in made:
        subprocess.run(["gpgconf", "--homedir", str(one.home), "--kill", "all"], check=False)
        shutil.rmtree(one.home, ignore_errors=True)


@pytest.fixture
def ring(make_ring: Callable[[], Ring], monkeypatch: pytest.MonkeyPatch) -> Ring:
    made = make_ring()
    monkeypatch.setenv("GNUPGHOME", str(made.home))
    return made


def asked_for(desk: ReleaseBench, key: str | None) -> None:
    desk.version()
    with desk.acting(BOT, key) as context:
        stage(context, "tiny", "1")
        promote(context, "tiny", "1")


def test_every_command_signs_and_the_history_verifies(
    desk: ReleaseBench, ring: Ring, in_git: Callable[..., str]
) -> None:
    bot, ada = ring.make("bot"), ring.make("Ada")
    root = in_git(desk.remote, "rev-parse", "main")
    for number in (1, 2):
        desk.version()
        with desk.acting(BOT, bot) as context:
            stage(context, "tiny", str(number))
            promote(context, "tiny", str(number))
        with desk.acting(ADA, ada) as context:
            approve(context, "tiny")
    with desk.acting(ADA, ada) as context:
        rollback(context, "tiny", reason="slow")
        commits = context.clone.log(since=root)
        told = [signature(context.clone, one.sha) for one in commits]
        assert [one.letter for one in told] == ["G"] * 5
        assert [one.fingerprint for one in told] == [ada, ada, bot, ada, bot]
        assert verify(context.clone, "tiny", root) == []
        assert all("BEGIN PGP SIGNATURE" in in_git(desk.remote, "cat-file", "commit", one.sha) for one in commits)


def test_a_key_of_ssh_approves_what_one_of_openpgp_asked_for_and_the_other_way_round(
    desk: ReleaseBench, ring: Ring, keys: dict[str, str], in_git: Callable[..., str]
) -> None:
    bot, ada = ring.make("bot"), ring.make("Ada")
    root = in_git(desk.remote, "rev-parse", "main")
    for number, (asks, approves) in enumerate(((bot, keys["ada"]), (keys["bot"], ada)), 1):
        desk.version()
        with desk.acting(BOT, asks) as context:
            stage(context, "tiny", str(number))
            promote(context, "tiny", str(number))
        with desk.acting(ADA, approves) as context:
            assert approve(context, "tiny").created
            assert verify(context.clone, "tiny", root) == []


def test_another_subkey_and_another_name_of_one_person_approve_nothing(desk: ReleaseBench, ring: Ring) -> None:
    bot = ring.make("bot")
    for _ in range(2):
        ring.gpg("--quick-add-key", bot, "ed25519", "sign", "0")
    first, second = ring.keys("bot@example.org")[1:]
    asked_for(desk, f"{first}!")
    with desk.acting(BOB, f"{second}!") as context:
        assert signature(context.clone, context.clone.head).fingerprint == bot
        with pytest.raises(Refused, match="your own"):
            approve(context, "tiny")


@pytest.mark.parametrize(
    ("imported", "said"),
    [(False, "cannot be checked: the key is not known here"), (True, "signed by a key that is not allowed")],
)
def test_a_request_signed_by_a_strangers_key_is_refused(
    desk: ReleaseBench,
    ring: Ring,
    make_ring: Callable[[], Ring],
    monkeypatch: pytest.MonkeyPatch,
    imported: bool,
    said: str,
) -> None:
    theirs, ada = make_ring(), ring.make("Ada")
    eve = theirs.make("Eve")
    with monkeypatch.context() as there:
        there.setenv("GNUPGHOME", str(theirs.home))
        asked_for(desk, eve)
    if imported:
        ring.gpg("--import", stdin=theirs.gpg("--armor", "--export", eve))
    with desk.acting(ADA, ada) as context, pytest.raises(Refused, match=said):
        approve(context, "tiny")
    if imported:
        ring.trust(eve, 6)
        with desk.acting(ADA, ada) as context:
            assert approve(context, "tiny").created


def test_what_a_revoked_key_signed_is_named(desk: ReleaseBench, ring: Ring, in_git: Callable[..., str]) -> None:
    bot, ada = ring.make("bot"), ring.make("Ada")
    root = in_git(desk.remote, "rev-parse", "main")
    asked_for(desk, bot)
    with desk.acting(ADA, ada) as context:
        approve(context, "tiny")
        assert verify(context.clone, "tiny", root) == []
        revocation = (ring.home / "openpgp-revocs.d" / f"{bot}.rev").read_text().replace(":-----", "-----")
        ring.gpg("--import", stdin=revocation)
        (problem,) = verify(context.clone, "tiny", root)
    assert problem.endswith("signed by a key that was revoked")


def test_a_key_that_gpg_does_not_have_signs_nothing_and_is_refused(desk: ReleaseBench, ring: Ring) -> None:
    ring.make("Ada")
    desk.version()
    with desk.acting(BOT, "0" * 40) as context, pytest.raises(Refused, match="could not be signed"):
        stage(context, "tiny", "1")
    assert desk.commits() == ["Begin"]


def test_a_statement_about_an_image_signed_by_openpgp_is_none_about_a_verdict(
    ring: Ring, store: Tracking, tmp_path: Path
) -> None:
    bot, trust = ring.make("bot"), Trust(signing_key="0" * 40)
    store.client.create_registered_model("stated")
    tags = {"image": "127.0.0.1:1/team/stated:1", "image_digest": f"sha256:{1:064x}", "verdict": "passed"}
    run = store.client.create_run("0").info.run_id
    folder = judged(tmp_path / "version", "stated", run, tags, key=bot, number=1)
    store.client.create_model_version("stated", folder.as_uri(), run_id=run, tags=tags)
    (version,) = store.versions("stated")
    found = image_statement.released(store, version, trust)
    assert found.answer.reason == f"as it was packaged, signed by key {bot}"
    for file in (VERDICT.file, VERDICT.signature):  # the key signed it, and says which kind it is in the text
        shutil.copy(folder / file, folder / file.replace(VERDICT.file, IMAGE.file))
    refused = image_statement.released(store, version, trust)
    assert refused.image is None
    assert refused.answer.reason.startswith("image.json is not a statement slipway-image/1")
    store.client.delete_registered_model("stated")


def test_a_verdict_signed_by_openpgp_counts_while_its_key_is_trusted(ring: Ring) -> None:
    bot, trust, now = ring.make("bot"), Trust(signing_key="0" * 40), datetime.now(UTC)
    made = sign(b"said", bot, "slipway-verdict")
    assert signed_by(b"said", made, trust, now, "slipway-verdict") == (f"signed by key {bot}", None)
    for content, level in ((b"SAID", 6), (b"said", 2)):
        ring.trust(bot, level)
        why = signed_by(content, made, trust, now, "slipway-verdict")[1]
        assert why is not None
        assert "does not trust" in why

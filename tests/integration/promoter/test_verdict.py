"""The verdict is what registration signed and kept with the version's files, and no tag that somebody can edit."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.image_statement import IMAGE
from registry.signing import sign
from registry.statement import VERDICT
from tests.fixtures.typed import Typed
from tests.integration.promoter.conftest import PromoterSite


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    """Two SSH keys by ssh-keygen: `bot` is listed in the file of allowed signers, `eve` is not."""
    for name in ("bot", "eve"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(tmp_path / name)]
        subprocess.run(command, check=True)
    (tmp_path / "signers").write_text(f"bot@example.org {(tmp_path / 'bot.pub').read_text()}")
    return {name: str(tmp_path / name) for name in ("bot", "eve", "signers")}


def signed(site: PromoterSite, number: int, key: str, content: bytes | None = None) -> None:
    at = site.folder(number)
    said = content or (at / VERDICT.file).read_bytes()
    (at / VERDICT.file).write_bytes(said)
    (at / VERDICT.signature).write_bytes(sign(said, key, VERDICT.name))


def promoted(site: PromoterSite, top: Path, number: int, **changed: str) -> Typed:
    site.put("staging", number)
    done: Typed = site.types(top, "promote", "tiny", str(number), **changed)
    return done


def test_a_verdict_typed_into_the_tag_opens_no_request_and_is_reported(site: PromoterSite, tmp_path: Path) -> None:
    site.tracking().client.set_model_version_tag("tiny", "3", "verdict", "passed")
    done = promoted(site, tmp_path, 3)
    assert done.code == 4
    assert "the gate's verdict is failed" in done.err
    assert "the tag verdict is passed, and does not count" in done.err
    assert site.requests() == []


def test_without_keys_promotion_says_that_the_verdict_is_unsigned(site: PromoterSite, tmp_path: Path) -> None:
    done = promoted(site, tmp_path, 2)
    assert done.code == 0, done.err
    assert "the gate's verdict is passed, not signed by any key that is known here" in done.out


def test_a_version_without_its_statement_is_refused_with_keys_and_without(site: PromoterSite, tmp_path: Path) -> None:
    (site.folder(2) / VERDICT.file).unlink()
    done = promoted(site, tmp_path, 2)
    assert done.code == 4
    assert "has no verdict.json" in done.err


def unsigned(site: PromoterSite, keys: dict[str, str]) -> None: ...


def by_eve(site: PromoterSite, keys: dict[str, str]) -> None:
    signed(site, 2, keys["eve"])


def changed_since(site: PromoterSite, keys: dict[str, str]) -> None:
    signed(site, 2, keys["bot"])
    at = site.folder(2) / VERDICT.file
    at.write_bytes(at.read_bytes().replace(b"parity", b"PARITY"))


def of_another_version(site: PromoterSite, keys: dict[str, str]) -> None:
    signed(site, 1, keys["bot"])
    for file in (VERDICT.file, VERDICT.signature):
        shutil.copy(site.folder(1) / file, site.folder(2) / file)


def of_another_model(site: PromoterSite, keys: dict[str, str]) -> None:
    said = json.loads((site.folder(2) / VERDICT.file).read_bytes())
    signed(site, 2, keys["bot"], json.dumps(said | {"model": "other"}).encode())


def with_another_digest(site: PromoterSite, keys: dict[str, str]) -> None:
    signed(site, 2, keys["bot"])
    site.tracking().client.set_model_version_tag("tiny", "2", "git_commit", "c" * 40)


def a_signature_of_a_commit(site: PromoterSite, keys: dict[str, str]) -> None:
    at = site.folder(2)
    command = ["ssh-keygen", "-Y", "sign", "-n", "git", "-f", keys["bot"]]
    said = (at / VERDICT.file).read_bytes()
    made = subprocess.run(command, input=said, check=True, capture_output=True).stdout
    (at / VERDICT.signature).write_bytes(made)


FORGED = [
    (unsigned, "is not signed, and keys are configured here"),
    (by_eve, "signed by a key that is not allowed"),
    (changed_since, "changed since it was signed"),
    (of_another_version, "is about another version: run_id"),
    (of_another_model, "is about another version: model other"),
    (with_another_digest, "is about another version: git_commit"),
    (a_signature_of_a_commit, "not allowed"),
]


@pytest.mark.long  # git signs by ssh-keygen, which the long tier installs
@pytest.mark.parametrize(("forge", "said"), FORGED, ids=[one.__name__ for one, _ in FORGED])
def test_where_keys_are_listed_only_a_verdict_that_one_of_them_signed_opens_a_request(
    site: PromoterSite,
    keys: dict[str, str],
    tmp_path: Path,
    forge: Callable[[PromoterSite, dict[str, str]], object],
    said: str,
) -> None:
    forge(site, keys)
    done = promoted(site, tmp_path, 2, SLIPWAY_ALLOWED_SIGNERS=keys["signers"])
    assert done.code == 4
    assert said in done.err
    assert site.requests() == []


@pytest.mark.long
def test_a_signed_verdict_opens_the_request_by_the_list_or_by_the_machines_own_key(
    site: PromoterSite, keys: dict[str, str], tmp_path: Path
) -> None:
    signed(site, 2, keys["bot"])
    refused = promoted(site, tmp_path, 2, SLIPWAY_SIGNING_KEY=keys["eve"])
    assert refused.code == 4
    assert "SLIPWAY_ALLOWED_SIGNERS" in refused.err
    at = site.folder(2)
    (at / IMAGE.signature).write_bytes(sign((at / IMAGE.file).read_bytes(), keys["bot"], IMAGE.name))
    done = promoted(site, tmp_path, 2, SLIPWAY_SIGNING_KEY=keys["bot"])
    assert done.code == 0, done.err
    assert "signed by this machine's key SHA256:" in done.out
    done = promoted(site, tmp_path, 2, SLIPWAY_ALLOWED_SIGNERS=keys["signers"])
    assert "signed by bot@example.org, key SHA256:" in done.out

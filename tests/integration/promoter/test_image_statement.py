"""Which image a version is, is what packaging signed and kept with the version's files, and no tag."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry.image_statement import IMAGE
from registry.signing import sign
from registry.statement import VERDICT
from release.promoter.reconcile import reconcile
from tests.integration.promoter.conftest import PromoterSite

OTHER = f"sha256:{4:064x}"  # the digest of version 4: the registry has it


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    """Three SSH keys by ssh-keygen: `bot` and `old` are listed as signers, the second until yesterday; `eve` is not."""
    lines: list[str] = []
    for name, options in (("bot", ""), ("old", 'valid-before="20200101" '), ("eve", None)):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(tmp_path / name)]
        subprocess.run(command, check=True)
        if options is not None:
            lines.append(f"{name}@example.org {options}{(tmp_path / f'{name}.pub').read_text()}")
    (tmp_path / "signers").write_text("".join(lines))
    return {name: str(tmp_path / name) for name in ("bot", "old", "eve", "signers")}


def signed(site: PromoterSite, number: int, key: str, namespace: str = IMAGE.name, **changed: Any) -> None:
    """Sign version `number`'s statement about its image, with facts changed."""
    at = site.folder(number)
    content = (at / IMAGE.file).read_bytes()
    if changed:
        content = json.dumps(json.loads(content) | changed).encode()
    (at / IMAGE.file).write_bytes(content)
    (at / IMAGE.signature).write_bytes(sign(content, key, namespace))


REDIRECTS = {"image_digest": OTHER, "image": "127.0.0.1:1/elsewhere/tiny"}


@pytest.mark.parametrize("tag", REDIRECTS)
def test_a_tag_that_names_another_image_stages_and_promotes_nothing_and_is_named(
    site: PromoterSite, tmp_path: Path, tag: str
) -> None:
    before = site.commits()
    site.tracking().client.set_model_version_tag("tiny", "2", tag, REDIRECTS[tag])
    done = site.types(tmp_path, "stage", "tiny", "2")
    assert done.code == 4
    assert f"the tag {tag} says {REDIRECTS[tag]}, image.json " in done.err
    assert "slipway package tiny@2" in done.err
    assert site.commits() == before
    site.put("staging", 2)
    done = site.types(tmp_path, "promote", "tiny", "2")
    assert done.code == 4
    assert f"image_as_packaged: the tag {tag} says {REDIRECTS[tag]}" in done.err
    assert site.requests() == []
    site.champion(2)
    with site.context() as context:
        (passed,) = reconcile(context, site.cluster)
    assert "put back" in {one.kind for one in passed.outcomes}
    assert site.aliases()["champion"] == 1
    assert f"the tag {tag} says" in site.tags(2)["promotion_refused"]


def test_without_keys_the_output_says_that_the_image_is_unsigned(site: PromoterSite, tmp_path: Path) -> None:
    staged = site.types(tmp_path, "stage", "tiny", "2")
    assert staged.code == 0, staged.err
    assert "image: as it was packaged, not signed by any key that is known here" in staged.out
    site.put("staging", 2)
    done = site.types(tmp_path, "promote", "tiny", "2")
    assert done.code == 0, done.err
    assert "image_as_packaged: as it was packaged, not signed by any key that is known here" in done.out


def without_a_statement(at: Path) -> None:
    (at / IMAGE.file).unlink()


def not_json(at: Path) -> None:
    (at / IMAGE.file).write_text("[" * 100_000)


def without_a_digest(at: Path) -> None:
    (at / IMAGE.file).write_text(json.dumps(json.loads((at / IMAGE.file).read_text()) | {"digest": None}))


def the_verdict(at: Path) -> None:
    shutil.copy(at / VERDICT.file, at / IMAGE.file)


BROKEN: dict[Callable[[Path], None], str] = {
    without_a_statement: "the version has no image.json: slipway package tiny@2",
    not_json: "image.json is not JSON",
    without_a_digest: "image.json does not state digest",
    the_verdict: "image.json is not a statement slipway-image/1",
}


@pytest.mark.parametrize(
    "spoil", [pytest.param(one, marks=() if one is without_a_statement else pytest.mark.long) for one in BROKEN]
)
def test_a_version_whose_image_nobody_stated_is_refused_with_what_to_type(
    site: PromoterSite, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(site.folder(2))
    done = site.types(tmp_path, "stage", "tiny", "2")
    assert done.code == 4
    assert BROKEN[spoil] in done.err
    assert "slipway package tiny@2" in done.err


def unsigned(site: PromoterSite, keys: dict[str, str]) -> None: ...


def by_eve(site: PromoterSite, keys: dict[str, str]) -> None:
    signed(site, 2, keys["eve"])


def by_a_retired_key(site: PromoterSite, keys: dict[str, str]) -> None:
    signed(site, 2, keys["old"])


def redirected_since(site: PromoterSite, keys: dict[str, str]) -> None:
    signed(site, 2, keys["bot"])
    at = site.folder(2) / IMAGE.file
    at.write_bytes(at.read_bytes().replace(f"sha256:{2:064x}".encode(), OTHER.encode()))
    site.tracking().client.set_model_version_tag("tiny", "2", "image_digest", OTHER)


def of_another_version(site: PromoterSite, keys: dict[str, str]) -> None:
    signed(site, 4, keys["bot"])
    for file in (IMAGE.file, IMAGE.signature):
        shutil.copy(site.folder(4) / file, site.folder(2) / file)
    site.tracking().client.set_model_version_tag("tiny", "2", "image_digest", OTHER)


def of_another_number(site: PromoterSite, keys: dict[str, str]) -> None:
    signed(site, 2, keys["bot"], version=4)


def of_other_bytes(site: PromoterSite, keys: dict[str, str]) -> None:
    signed(site, 2, keys["bot"], model_sha256="0" * 64)


def a_signature_of_a_verdict(site: PromoterSite, keys: dict[str, str]) -> None:
    signed(site, 2, keys["bot"], VERDICT.name)


def a_signature_of_a_commit(site: PromoterSite, keys: dict[str, str]) -> None:
    signed(site, 2, keys["bot"], "git")


FORGED: dict[Callable[[Any, dict[str, str]], None], str] = {
    unsigned: "image.json is not signed, and keys are configured here",
    by_eve: "image.json is signed by a key that is not allowed",
    by_a_retired_key: "image.json is signed by a key that is not allowed",
    redirected_since: "changed since it was signed",
    of_another_version: "image.json is about another version: run_id",
    of_another_number: "image.json is about another version: version 4, not 2",
    of_other_bytes: "image.json is about another version: model_sha256",
    a_signature_of_a_verdict: "not allowed",
    a_signature_of_a_commit: "not allowed",
}


@pytest.mark.long  # git signs by ssh-keygen, which the long tier installs
@pytest.mark.parametrize("forge", FORGED)
def test_where_keys_are_listed_only_an_image_that_one_of_them_signed_is_staged_and_promoted(
    site: PromoterSite, keys: dict[str, str], tmp_path: Path, forge: Callable[[Any, dict[str, str]], None]
) -> None:
    at = site.folder(2)
    (at / VERDICT.signature).write_bytes(sign((at / VERDICT.file).read_bytes(), keys["bot"], VERDICT.name))
    forge(site, keys)
    before = site.commits()
    done = site.types(tmp_path, "stage", "tiny", "2", SLIPWAY_ALLOWED_SIGNERS=keys["signers"])
    assert done.code == 4
    assert FORGED[forge] in done.err
    assert "slipway package tiny@2" in done.err
    assert site.commits() == before
    site.put("staging", 2)
    done = site.types(tmp_path, "promote", "tiny", "2", SLIPWAY_ALLOWED_SIGNERS=keys["signers"])
    assert done.code == 4
    assert "image_as_packaged: " in done.err
    assert FORGED[forge] in done.err
    assert site.requests() == []


@pytest.mark.long
def test_a_signed_image_goes_its_way_by_the_list_or_by_the_machines_own_key(
    site: PromoterSite, keys: dict[str, str], tmp_path: Path
) -> None:
    at = site.folder(2)
    (at / VERDICT.signature).write_bytes(sign((at / VERDICT.file).read_bytes(), keys["bot"], VERDICT.name))
    signed(site, 2, keys["bot"])
    refused = site.types(tmp_path, "stage", "tiny", "2", "--allow-failed", SLIPWAY_SIGNING_KEY=keys["eve"])
    assert refused.code == 4
    assert "image.json is signed by another key than this machine's" in refused.err
    staged = site.types(tmp_path, "stage", "tiny", "2", SLIPWAY_SIGNING_KEY=keys["bot"])
    assert staged.code == 0, staged.err
    assert "image: as it was packaged, signed by this machine's key SHA256:" in staged.out
    site.put("staging", 2)
    done = site.types(tmp_path, "promote", "tiny", "2", SLIPWAY_ALLOWED_SIGNERS=keys["signers"])
    assert done.code == 0, done.err
    assert "image_as_packaged: as it was packaged, signed by bot@example.org, key SHA256:" in done.out

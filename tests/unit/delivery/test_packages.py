from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.fixtures.workflows import ROOT

TIERS = {"long": "test-long", "image": "test-image", "nightly": "test-nightly", "e2e": "e2e"}
PROGRAM = ROOT / "tools/packages"


def packages(tier: str) -> set[str]:
    done = subprocess.run([PROGRAM, "list", tier], capture_output=True, text=True, check=True)
    return set(done.stdout.strip().split(","))


def row(target: str) -> str:
    rows = re.findall(rf"^\| `make {target}` \|.*\| (.*) \|$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert len(rows) == 1, target
    return str(rows[0])


@pytest.mark.parametrize("tier", TIERS)
def test_the_page_names_what_the_list_has(tier: str) -> None:
    said = row(TIERS[tier]).partition(";")[0]
    assert said.split(", ") == sorted(packages(tier))


@pytest.mark.parametrize("target", ["check", "docs", "check-manifests", "test"])
def test_what_needs_no_package_installs_none(target: str) -> None:
    assert row(target) == "none"
    planned = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "tools/packages" not in planned.stdout


@pytest.mark.parametrize("tier", TIERS)
def test_a_tier_installs_its_packages_first(tier: str) -> None:
    command = ["make", "--dry-run", TIERS[tier]]
    planned = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert planned.index(f"tools/packages install {tier}\n") < planned.index("pytest")


def test_what_is_missing_is_named_with_what_installs_it(tmp_path: Path) -> None:
    for name in ("awk", "bash", "cut", "dirname", "id", "paste", "sort"):  # a machine with these, and no apt-get
        (tmp_path / name).symlink_to(shutil.which(name) or "")
    command = [str(PROGRAM), "install", "long"]
    done = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert done.returncode == 5
    first, missing, hint = done.stderr.splitlines()
    assert first.startswith("error: long needs programs")
    assert {"chromium|google-chrome", "gpg", "ssh-keygen"} <= set(missing.split())
    assert "sudo make long-tools" in hint
    assert packages("long") <= set(hint.split())


def test_what_runs_before_a_merge_takes_the_packages_from_the_list() -> None:
    text = (ROOT / ".ci/run").read_text()
    assert '--with "$(tools/packages list long)"' in text
    assert not re.search(r"(in_bare|\$bare\" run) --with (?!\"\$\(tools/packages)", text)
    assert "apt-get" not in text

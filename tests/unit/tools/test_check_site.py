from __future__ import annotations

from pathlib import Path

import pytest

from tools.check_site import faults, main


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "how-to").mkdir()
    (tmp_path / "how-to/page.html").write_text('<h1 id="top">Page</h1><a href="../index.html#start">up</a>')
    (tmp_path / "index.html").write_text('<h1 id="start">Home</h1><a href="how-to/page.html#top">page</a>')
    return tmp_path


def test_a_whole_site_has_no_fault(site: Path) -> None:
    assert faults(site) == []
    assert main(site) == 0


@pytest.mark.parametrize(
    ("link", "fault"),
    [
        ("gone.html", "no such file"),
        ("how-to/page.html#gone", "no such anchor"),
        ("#gone", "no such anchor"),
        ("https://", "no address"),
        ("ftp://example.com/a", "an unexpected scheme"),
    ],
)
def test_a_link_that_leads_nowhere_is_named(site: Path, link: str, fault: str) -> None:
    page = site / "index.html"
    page.write_text(page.read_text() + f'<a href="{link}">x</a>')
    assert faults(site) == [f"index.html: {link}: {fault}"]
    assert main(site) == 4


def test_an_image_is_a_link_too(site: Path) -> None:
    (site / "index.html").write_text('<h1 id="start">Home</h1><img src="images/gone.svg">')
    assert faults(site) == ["index.html: images/gone.svg: no such file"]


def test_addresses_elsewhere_are_looked_at_and_not_asked(site: Path) -> None:
    (site / "index.html").write_text(
        '<h1 id="start">Home</h1><a href="https://example.com/a#b">x</a><a href="mailto:a@example.com">y</a>'
    )
    assert faults(site) == []

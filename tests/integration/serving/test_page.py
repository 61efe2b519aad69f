from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fixtures.servers import Server


def dom(url: str, profile: Path) -> str:
    """Open a page in a real browser that reaches no other host, and return what it made of it."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    assert browser is not None, "no browser: apt-get install chromium"
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={profile}",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--virtual-time-budget=8000", "--dump-dom", url,
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.mark.long
def test_the_interactive_page_works_in_a_browser_that_reaches_no_other_host(start: Any, tmp_path: Path) -> None:
    server: Server = start(auth="off")
    page = dom(server.url + "/docs", tmp_path / "profile")
    assert 'class="opblock opblock-post"' in page
    assert "flight-delay 7" in page
    assert "/v2/models/flight-delay/infer" in page


def test_the_page_asks_for_a_token_and_tells_nothing_before(server: Server) -> None:
    answers = [httpx.get(server.url + path) for path in ("/docs", "/docs/page.js", "/docs/settings.json")]
    assert {answer.status_code for answer in answers} == {200}
    assert answers[2].json() == {"auth": True}
    assert not any("flight" in answer.text for answer in answers)
    assert "default-src 'none'" in answers[0].headers["content-security-policy"]
    assert "http://" not in answers[0].text
    assert "https://" not in answers[0].text

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.fixtures.browser import Page, browsing
from tests.fixtures.servers import Server

BLOCK = "document.querySelector('.opblock-post [data-path=\"/predict\"]').closest('.opblock')"


def predict(page: Page) -> int:
    """Open /predict on the page, send its example, and return the status that the page shows."""
    page.click(f"{BLOCK}.querySelector('.opblock-summary-control, .opblock-summary')")
    page.click(f"{BLOCK}.querySelector('button.execute')")
    status = page.until(
        f"({BLOCK}.querySelector('.live-responses-table tr.response .response-col_status') || {{}}).innerText"
    )
    return int(status.split()[0])


@pytest.mark.long
def test_the_interactive_page_works_in_a_browser_that_reaches_no_other_host(
    start: Callable[..., Server], tmp_path: Path
) -> None:
    server = start(auth="off")
    with browsing(tmp_path / "profile", server.url + "/docs") as page:
        page.until("!!document.querySelector('.opblock-post')")
        text = page.run("document.body.innerText")
        assert "flight-delay 7" in text
        assert page.run("!!document.querySelector('[data-path=\"/v2/models/flight-delay/infer\"]')")
        assert predict(page) == 200


@pytest.mark.long
def test_a_token_typed_into_the_page_shows_the_contract_and_predicts(
    server: Server, bearer: Callable[..., str], tmp_path: Path
) -> None:
    with browsing(tmp_path / "profile", server.url + "/docs") as page:
        page.click("document.getElementById('token')")
        page.type("not.a.token")
        page.press("Enter", 13)
        assert "401" in page.until("document.getElementById('message').innerText")
        assert page.run("document.getElementById('api').innerText") == ""
        page.run("document.getElementById('token').value = ''")
        page.click("document.getElementById('token')")
        page.type(bearer("browser"))
        page.click("document.querySelector('#sign-in button')")
        page.until("!!document.querySelector('.opblock-post')")
        assert predict(page) == 200
        answer = json.loads(
            page.run(f"{BLOCK}.querySelector('.live-responses-table tr.response .microlight').innerText")
        )
        assert answer["model"]["version"] == "7"
        kept = page.run(
            "JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage), document.cookie])"
        )
        assert kept == '[[],[],""]', "the page keeps no token"


def test_the_page_asks_for_a_token_and_tells_nothing_before(server: Server) -> None:
    answers = [httpx.get(server.url + path) for path in ("/docs", "/docs/page.js", "/docs/settings.json")]
    assert {answer.status_code for answer in answers} == {200}
    assert answers[2].json() == {"auth": True}
    assert not any("flight" in answer.text for answer in answers)
    assert "default-src 'none'" in answers[0].headers["content-security-policy"]
    assert "http://" not in answers[0].text
    assert "https://" not in answers[0].text

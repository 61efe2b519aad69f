"""Clients that offer HTTP/2 with their first request: Java's own, and curl."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fixtures.servers import Server
from tests.integration.serving.conftest import Golden

pytestmark = pytest.mark.long  # needs a JDK and curl
ASK = """
import java.net.URI;
import java.net.http.*;

public class Ask {
    public static void main(String[] given) throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        HttpRequest request = HttpRequest.newBuilder(URI.create(given[0]))
            .header("content-type", "application/json").header("authorization", "Bearer " + given[1])
            .POST(HttpRequest.BodyPublishers.ofString(given[2])).build();
        for (int i = 0; i < 3; i++) {
            HttpResponse<String> answer = client.send(request, HttpResponse.BodyHandlers.ofString());
            System.out.println(answer.statusCode() + " " + answer.version() + " " + answer.body());
        }
    }
}
"""


def test_java_s_client_is_answered(server: Server, bearer: Callable[..., str], golden: Golden, tmp_path: Path) -> None:
    source = tmp_path / "Ask.java"
    source.write_text(ASK)
    body = json.dumps({"rows": golden["rows"][:1]})
    command = ["java", str(source), f"{server.url}/predict", bearer(), body]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    answers = [line.split(" ", 2) for line in done.stdout.splitlines()]
    assert [answer[:2] for answer in answers] == [["200", "HTTP_1_1"]] * 3
    for _, _, text in answers:
        assert json.loads(text)["predictions"][0]["probability"] == pytest.approx(golden["probabilities"][0], abs=1e-5)


def test_curl_with_http2_is_answered(server: Server, bearer: Callable[..., str], golden: Golden) -> None:
    body = json.dumps({"rows": golden["rows"][:1]})
    command = ["curl", "--silent", "--http2", "--max-time", "10", "--write-out", "%{http_code} %{http_version}\\n"]
    fields = ["--header", "content-type: application/json", "--header", f"authorization: Bearer {bearer()}"]
    each = ["--data", body, "--output", "/dev/null", f"{server.url}/predict"]
    done = subprocess.run([*command, *fields, *each], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "200 1.1\n"

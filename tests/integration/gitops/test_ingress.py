"""What the Ingress's annotations come to on a real HAProxy: TLS only, its headers, and no path but those named.

The controller itself is not run here. Each annotation becomes the lines that its documentation names.
Source: https://www.haproxy.com/documentation/kubernetes-ingress/ingress-configuration-reference/ingress/
"""

from __future__ import annotations

import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fixtures.listening import listening
from tests.fixtures.servers import free_port, wait_until
from tests.integration.gitops.conftest import rendered

pytestmark = pytest.mark.long
HOST = "flight-delay.example.com"
PREFIX = "haproxy.org/"


@dataclass
class Proxy:
    """A running HAProxy, where it answers, and the certificate that it shows."""

    http: int
    https: int
    certificate: Path

    def ask(self, path: str, tls: bool = True, host: str = HOST) -> httpx.Response:
        """Ask it; nothing is followed."""
        scheme, port = ("https", self.https) if tls else ("http", self.http)
        trusted = ssl.create_default_context(cafile=str(self.certificate))
        with httpx.Client(verify=trusted, timeout=10) as client:
            return client.post(
                f"{scheme}://127.0.0.1:{port}{path}", headers={"host": host}, extensions={"sni_hostname": HOST}
            )


class Server(BaseHTTPRequestHandler):
    """Stands where the pods are: says what it was asked, and is slow where the path says so."""

    def do_POST(self) -> None:
        if "slow" in self.path:  # until nobody waits any more
            time.sleep(3)
            return
        body = f"{self.path} for {self.headers.get('X-Forwarded-For')}".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


def configuration(ingress: dict[str, Any], both: Path, proxy: Proxy, server: int) -> str:
    """Write what the controller makes of an Ingress."""
    said = {key.removeprefix(PREFIX): value for key, value in ingress["metadata"]["annotations"].items()
            if key.startswith(PREFIX)}  # fmt: skip
    rules = []
    for rule in ingress["spec"]["rules"]:
        for one in rule["http"]["paths"]:
            match = "path" if one["pathType"] == "Exact" else "path_beg"
            rules.append(f"  use_backend server if {{ req.hdr(host) -i {rule['host']} }} {{ {match} {one['path']} }}")
    redirect = ["  http-request redirect scheme https code 302"] if said["ssl-redirect"] == "true" else []
    headers = [f"  http-response set-header {line}" for line in said["response-set-header"].strip().splitlines()]
    backend = [f"  timeout server {said['timeout-server']}"]
    backend += ["  option forwardfor"] if said["forwarded-for"] == "true" else []
    lines = ["defaults", "  mode http", "  timeout connect 2s", "  timeout client 10s", "  timeout server 50s",
             "frontend http", f"  bind 127.0.0.1:{proxy.http}", *redirect,
             "frontend https", f"  bind 127.0.0.1:{proxy.https} ssl crt {both}", *headers, *rules,
             "backend server", *backend, f"  server one 127.0.0.1:{server}", ""]  # fmt: skip
    return "\n".join(lines)


def valid(config: Path) -> bool:
    return subprocess.run(["haproxy", "-c", "-q", "-f", str(config)], capture_output=True, check=False).returncode == 0


@pytest.fixture
def ingress(gitops: Path) -> dict[str, Any]:
    assert shutil.which("haproxy"), "haproxy is not on PATH; next: sudo make long-tools"
    return rendered(gitops, "production")["Ingress/flight-delay"]


@pytest.fixture
def proxy(ingress: dict[str, Any], tmp_path: Path) -> Iterator[Proxy]:
    made, config, both = Proxy(free_port(), free_port(), tmp_path / "crt"), tmp_path / "cfg", tmp_path / "both.pem"
    key = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", f"/CN={HOST}",
           "-addext", f"subjectAltName=DNS:{HOST}"]  # fmt: skip
    subprocess.run([*key, "-keyout", tmp_path / "key", "-out", tmp_path / "crt"], check=True, capture_output=True)
    both.write_text((tmp_path / "crt").read_text() + (tmp_path / "key").read_text())
    assert ingress["metadata"]["annotations"][f"{PREFIX}timeout-server"] == "10s"
    ingress["metadata"]["annotations"][f"{PREFIX}timeout-server"] = "1s"  # so that the test need not wait for it
    with listening(Server) as url:
        text = configuration(ingress, both, made, int(url.rpartition(":")[2]))
        config.write_text(text)
        assert valid(config), text
        config.with_suffix(".bad").write_text(text.replace('includeSubDomains"', "includeSubDomains"))
        assert not valid(config.with_suffix(".bad")), "a header that is not closed"
        process = subprocess.Popen(["haproxy", "-db", "-f", str(config)])
        wait_until(lambda: _listens(made), what="HAProxy")
        yield made
        process.terminate()
        process.wait(10)


def _listens(proxy: Proxy) -> bool:
    try:
        proxy.ask("/", tls=False)
    except httpx.HTTPError:
        return False
    return True


def test_the_ingress_on_a_real_haproxy(proxy: Proxy) -> None:
    plain = proxy.ask("/predict", tls=False)
    assert (plain.status_code, plain.headers["location"]) == (302, f"https://{HOST}/predict")

    answer = proxy.ask("/predict")
    assert answer.text == "/predict for 127.0.0.1"
    assert answer.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"

    for path in ("/predictions/abc", "/version", "/openapi.json", "/v2/models/flight-delay/infer"):
        assert proxy.ask(path).status_code == 200, path
    for path in ("/metrics", "/livez", "/readyz", "/docs", "/", "/predict/x"):
        assert proxy.ask(path).status_code == 503, f"{path} has no way in"
    assert proxy.ask("/predict", host="other.example.com").status_code == 503
    assert proxy.ask("/predictions/slow").status_code == 504

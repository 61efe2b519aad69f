"""Compare the server, every feature on, with its peers: CPU of the server's processes per request.

    make bench-serving          (or: python benchmarks/serving/compare.py [--seconds 5] [--peer NAME …])

Server on core 0, load generator (wrk) on core 1, 8 connections, a one-row request of
one model of 200 trees; our cache is off, so every request asks the model. Also, for us
and for ONNX Runtime alone, a request of 1,000 rows.
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from serving import token  # noqa: E402
from serving.journal import upkeep  # noqa: E402
from tests.fixtures import make_model  # noqa: E402
from tests.fixtures.servers import Postgres, Redis, Server, free_port, wait_until  # noqa: E402

HERE = Path(__file__).parent
CONNECTIONS = 8
Started = tuple[psutil.Process, str, dict[str, str], float]


def main() -> None:
    """Measure every peer that can run here and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--peer", action="append", help="measure only this peer; `none` leaves the 1,000 rows alone")
    given = parser.parse_args()
    assert shutil.which("wrk"), "no wrk: apt-get install wrk"
    work = Path(tempfile.mkdtemp(prefix="slipway-bench-"))
    work.chmod(0o755)
    folder = work / "model"
    import joblib

    joblib.dump(make_model.write(folder, trees=200, rows=4000), folder / "model.joblib")
    rows = json.loads((folder / "golden.json").read_bytes())["rows"]
    rows = [{name: value for name, value in row.items() if value is not None} for row in rows]
    print(
        f"{'server':28} {'CPU-ms':>8} {'x echo':>7} {'rps':>7} {'p50 ms':>7} {'p99 ms':>7} {'start s':>8} {'MB':>6}",
        flush=True,
    )
    limit = 0.0
    for name, start in _peers(work, folder).items():
        if given.peer and name not in given.peer:
            continue
        found = _measure(start, {"rows": rows[:1]}, given.seconds, work)
        limit = limit or found["cpu_ms"]
        print(
            f"{name:28} {found['cpu_ms']:8.3f} {found['cpu_ms'] / limit:7.1f} {found['rps']:7.0f} {found['p50']:7.2f} "
            f"{found['p99']:7.2f} {found['start']:8.2f} {found['mb']:6.0f}",
            flush=True,
        )
    if not given.peer or "none" in given.peer:
        _large(work, folder, rows, given.seconds)


def _large(work: Path, folder: Path, rows: list[dict[str, Any]], seconds: int) -> None:
    many = (rows * 1000)[:1000]
    columns = {name: [row.get(name) for row in many] for name in dict.fromkeys(n for row in rows for n in row)}
    raw = _raw(folder, many)
    print(f"\n{'1,000 rows':28} {'rows per CPU-second':>20} {'of ONNX Runtime alone':>22}")
    print(f"{'ONNX Runtime alone':28} {raw:20.0f} {1:22.2f}")
    for form, body in (("slipway, rows", {"rows": many}), ("slipway, columns", {"columns": columns})):
        found = _measure(_peers(work, folder)["slipway, everything on"], body, seconds, work)
        speed = 1000 / (found["cpu_ms"] / 1000)
        print(f"{form:28} {speed:20.0f} {speed / raw:22.2f}", flush=True)


def _raw(folder: Path, rows: list[dict[str, Any]]) -> float:
    code = (
        "import sys,time,json,pathlib;from serving import model;m=model.load(pathlib.Path(sys.argv[1]));"
        "a=model.rows_to_arrays(json.load(sys.stdin),m.schema);[m.probabilities(*a) for _ in range(20)];"
        "t=time.process_time();[m.probabilities(*a) for _ in range(300)];print(300*len(a[0])/(time.process_time()-t))"
    )
    command = ["taskset", "-c", "0", sys.executable, "-c", code, str(folder)]
    done = subprocess.run(command, input=json.dumps(rows), capture_output=True, text=True, check=True, cwd=ROOT)
    return float(done.stdout)


def _peers(work: Path, folder: Path) -> dict[str, Callable[[], Started]]:
    def python(name: str) -> Callable[[], Started]:
        return lambda: _start([sys.executable, str(HERE / "peers.py"), name, str(folder), "{port}"], "/predict", {})

    def bento(name: str) -> Callable[[], Started]:
        environment = {"PEER_FOLDER": str(folder), "BENTOML_DO_NOT_TRACK": "True"}
        command = [
            sys.executable,
            "-m",
            "bentoml",
            "serve",
            f"bento_peers:{name}",
            "--working-dir",
            str(HERE),
            "--port",
            "{port}",
        ]
        return lambda: _start(command, "/predict", environment)

    mounted = [
        sys.executable,
        "-m",
        "bentoml",
        "serve",
        "serving.service:Slipway",
        "--working-dir",
        str(ROOT),
        "--port",
        "{port}",
    ]
    alone = {"SLIPWAY_AUTH": "off", "SLIPWAY_MODEL": str(folder), "BENTOML_DO_NOT_TRACK": "True"} | UNLIMITED
    return {
        "uvicorn echo": python("echo"),
        "slipway, everything on": lambda: _ours(work, folder),
        "slipway, mounted in a Bento": lambda: _start(mounted, "/predict", alone),
        "FastAPI + ONNX, no feature": python("fastapi-onnx"),
        "BentoML + ONNX": bento("Onnx"),
        "FastAPI + scikit-learn": python("fastapi-sklearn"),
        "BentoML + scikit-learn": bento("Sklearn"),
    }


UNLIMITED = {"SLIPWAY_BURST_LIMIT": "1000000/second", "SLIPWAY_SUSTAINED_LIMIT": "60000000/minute"}


def _ours(work: Path, folder: Path) -> Started:
    place = Path(tempfile.mkdtemp(dir=work))
    place.chmod(0o755)
    database, redis = Postgres(place / "pg"), Redis(place / "redis")
    atexit.register(redis.kill)  # PostgreSQL stops by itself
    url = database.new_database()
    upkeep.migrate(url)
    jwks = token.ensure_keys(place / "keys")
    bearer = token.make(place / "keys", "bench", ("predict",), 3600, "slipway", "slipway")
    server = Server(
        folder, place / "server", jwks=jwks, redis_url=redis.url, database_url=url, environment="production",
        burst_limit="1000000/second", sustained_limit="60000000/minute", spool_bytes=1 << 30,
    )  # fmt: skip
    began = time.monotonic()
    server.start(prefix=("taskset", "-c", "0"))
    headers = {"authorization": f"Bearer {bearer}"}
    return psutil.Process(server.process.pid), server.url + "/predict", headers, time.monotonic() - began


def _start(command: list[str], path: str, environment: dict[str, str]) -> Started:
    port = free_port()
    words = ["taskset", "-c", "0", *(word.replace("{port}", str(port)) for word in command)]
    clean = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)} | environment
    process = subprocess.Popen(words, env=clean, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}{path}"
    return psutil.Process(process.pid), url, {}, 0.0


def _measure(start: Callable[[], Started], body: dict[str, Any], seconds: int, work: Path) -> dict[str, float]:
    began = time.monotonic()
    process, url, headers, took = start()
    try:
        wait_until(lambda: _right(url, headers, body), 90, f"{url} answering")
        ready = took if took > 0 else time.monotonic() - began
        script = work / "request.lua"
        lines = [f'wrk.headers["{n}"]="{v}"' for n, v in ({"content-type": "application/json"} | headers).items()]
        script.write_text("\n".join(['wrk.method="POST"', *lines, f"wrk.body=[==[{json.dumps(body)}]==]"]))
        _wrk(url, script, 1)
        before = _cpu(process)
        count, p50, p99 = _wrk(url, script, seconds)
        used = _cpu(process) - before
        tree = [process, *process.children(recursive=True)]
        memory = sum(p.memory_info().rss for p in tree) / 1e6
        return {
            "cpu_ms": used / count * 1e3,
            "rps": count / seconds,
            "p50": p50,
            "p99": p99,
            "start": ready,
            "mb": memory,
        }
    finally:
        for one in [*process.children(recursive=True), process]:
            one.kill()
        process.wait(10)


def _right(url: str, headers: dict[str, str], body: dict[str, Any]) -> bool:
    try:
        return httpx.post(url, json=body, headers=headers, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def _cpu(process: psutil.Process) -> float:
    return sum(sum(p.cpu_times()[:2]) for p in [process, *process.children(recursive=True)])


def _wrk(url: str, script: Path, seconds: int) -> tuple[int, float, float]:
    command = [
        "taskset",
        "-c",
        "1",
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{seconds}s",
        "--latency",
        "-s",
        str(script),
        url,
    ]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in text, text
    times = [_milliseconds(re.search(rf"{part}%\s+([\d.]+)(us|ms|s)", text)) for part in ("50", "99")]
    found = re.search(r"(\d+) requests in", text)
    assert found is not None
    return int(found[1]), times[0], times[1]


def _milliseconds(match: re.Match[str] | None) -> float:
    assert match is not None
    return float(match[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[match[2]]


if __name__ == "__main__":
    main()

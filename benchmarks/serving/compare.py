"""Compare the server, every feature on, with its peers: CPU of the server's processes per request.

    make bench-serving          (or: python benchmarks/serving/compare.py [--seconds 5] [--peer NAME …])

Server on core 0, load generator on core 1, 8 connections, a one-row request of one
model of 200 trees; our cache is off, so every request asks the model. Then an open
loop at half of what the slowest peer can do. Also, for us and for ONNX Runtime alone,
a request of 1,000 rows.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import psutil

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.serving import load  # noqa: E402 - a checkout runs this as a script
from benchmarks.serving.starters import SERVER_CORE, Peer, Started, peers  # noqa: E402
from tests.fixtures import make_model  # noqa: E402
from tests.fixtures.servers import wait_until  # noqa: E402

OURS = "slipway, everything on"
OPEN_LOOP = (OURS, "BentoML + scikit-learn", "mlflow models serve", "MLServer, scikit-learn")


def main() -> None:
    """Measure every peer that can run here and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
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
    chosen = {n: p for n, p in peers(work, folder).items() if not given.peer or n in given.peer}
    capacity = _closed(chosen, rows, given.seconds, work)
    if OURS in capacity and len(capacity) > 1:
        _open({n: p for n, p in chosen.items() if n in OPEN_LOOP}, rows, min(capacity.values()) / 2, given.seconds)
    if not given.peer or "none" in given.peer:
        _large(peers(work, folder)[OURS], folder, rows, given.seconds, work)
    shutil.rmtree(work, ignore_errors=True)


def _closed(chosen: dict[str, Peer], rows: list[dict[str, Any]], seconds: int, work: Path) -> dict[str, float]:
    columns = f"{'CPU-ms':>8} {'x echo':>7} {'rps':>7} {'p50 ms':>7} {'p99 ms':>7} {'start s':>8} {'MB':>6}"
    print(f"{'server':28} {columns}", flush=True)
    limit, capacity = 0.0, {}
    for name, peer in chosen.items():
        found = _measure(peer, peer.body(rows[:1]), seconds, work)
        limit = limit or found["cpu_ms"]
        capacity[name] = found["rps"]
        print(
            f"{name:28} {found['cpu_ms']:8.3f} {found['cpu_ms'] / limit:7.1f} {found['rps']:7.0f} {found['p50']:7.2f} "
            f"{found['p99']:7.2f} {found['start']:8.2f} {found['mb']:6.0f}",
            flush=True,
        )
    return capacity


def _open(chosen: dict[str, Peer], rows: list[dict[str, Any]], rate: float, seconds: int) -> None:
    print(f"\n{f'open loop, {rate:.0f} a second':28} {'p50 ms':>8} {'p90 ms':>8} {'p99 ms':>8}", flush=True)
    for name, peer in chosen.items():
        started = peer.start()
        try:
            body = peer.body(rows[:1])
            wait_until(lambda: _right(started, body), 90, f"{name} answering")  # noqa: B023 - within this turn
            wait_until(started.settled, 90, f"{name} settling")
            load.at_rate(started.url, started.headers, body, rate, 2)
            p50, p90, p99 = load.at_rate(started.url, started.headers, body, rate, seconds * 4)
        finally:
            _end(started.process)
        print(f"{name:28} {p50:8.2f} {p90:8.2f} {p99:8.2f}", flush=True)


def _large(ours: Peer, folder: Path, rows: list[dict[str, Any]], seconds: int, work: Path) -> None:
    many = (rows * 1000)[:1000]
    columns = {name: [row.get(name) for row in many] for name in dict.fromkeys(n for row in rows for n in row)}
    raw = _raw(folder, many)
    print(f"\n{'1,000 rows':28} {'rows per CPU-second':>20} {'of ONNX Runtime alone':>22}")
    print(f"{'ONNX Runtime alone':28} {raw:20.0f} {1:22.2f}")
    tensors, headers = _tensors(folder, many)
    infer = dataclasses.replace(ours, start=lambda: _elsewhere(ours.start(), headers))
    forms: list[tuple[str, Peer, Any]] = [
        ("slipway, rows", ours, {"rows": many}),
        ("slipway, columns", ours, {"columns": columns}),
        ("slipway, binary tensors", infer, tensors),
    ]
    for form, peer, body in forms:
        speed = 1000 / (_measure(peer, body, seconds, work)["cpu_ms"] / 1000)
        print(f"{form:28} {speed:20.0f} {speed / raw:22.2f}", flush=True)


def _elsewhere(started: Started, headers: dict[str, str]) -> Started:
    url = started.url.replace("/predict", "/v2/models/flight-delay/infer")
    return dataclasses.replace(started, url=url, headers=started.headers | headers)


def _tensors(folder: Path, rows: list[dict[str, Any]]) -> tuple[bytes, dict[str, str]]:
    """Write rows as tritonclient does with binary data, answers asked for as binary too."""
    from serving.inference import model
    from serving.input import schema

    numeric, categorical = model.rows_to_arrays(rows, schema.parse((folder / "schema.json").read_bytes()))
    texts = [text.encode() for text in categorical.ravel()]
    parts = [
        ("numeric", "FP32", numeric, numeric.astype("<f4").tobytes()),
        ("categorical", "BYTES", categorical, b"".join(len(t).to_bytes(4, "little") + t for t in texts)),
    ]
    inputs = [
        {"name": n, "datatype": t, "shape": list(a.shape), "parameters": {"binary_data_size": len(raw)}}
        for n, t, a, raw in parts
    ]
    head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
    sizes = {"inference-header-content-length": str(len(head)), "content-type": "application/octet-stream"}
    return head + b"".join(raw for *_, raw in parts), sizes


def _raw(folder: Path, rows: list[dict[str, Any]]) -> float:
    code = (
        "import sys,time,json,pathlib;from serving.inference import model;m=model.load(pathlib.Path(sys.argv[1]));"
        "a=model.rows_to_arrays(json.load(sys.stdin),m.schema);[m.scores(*a) for _ in range(20)];"
        "t=time.process_time();[m.scores(*a) for _ in range(300)];print(300*len(a[0])/(time.process_time()-t))"
    )
    command = ["taskset", "-c", SERVER_CORE, sys.executable, "-c", code, str(folder)]
    done = subprocess.run(command, input=json.dumps(rows), capture_output=True, text=True, check=True, cwd=ROOT)
    return float(done.stdout)


def _measure(peer: Peer, body: dict[str, Any] | bytes, seconds: int, work: Path) -> dict[str, float]:
    started = peer.start()
    process = started.process
    try:
        wait_until(lambda: _right(started, body), 90, f"{started.url} answering")
        ready = time.monotonic() - started.began
        wait_until(started.settled, 90, f"{started.url} settling")
        load.fastest(started.url, started.headers, body, 1, work)
        before = _cpu(process)
        count, p50, p99 = load.fastest(started.url, started.headers, body, seconds, work)
        used = _cpu(process) - before
        memory = sum(p.memory_info().rss for p in [process, *process.children(recursive=True)]) / 1e6
    finally:
        _end(process)
    cpu, rate = used / count * 1e3, count / seconds
    return {"cpu_ms": cpu, "rps": rate, "p50": p50, "p99": p99, "start": ready, "mb": memory}


def _right(started: Started, body: dict[str, Any] | bytes) -> bool:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": "application/json"} | started.headers
    try:
        return httpx.post(started.url, content=content, headers=headers, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def _cpu(process: psutil.Process) -> float:
    return sum(sum(p.cpu_times()[:2]) for p in [process, *process.children(recursive=True)])


def _end(process: psutil.Process) -> None:
    for one in [*process.children(recursive=True), process]:
        one.kill()
    process.wait(10)


if __name__ == "__main__":
    main()

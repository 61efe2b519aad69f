"""Two loads on one address: wrk, as fast as it answers; and an open loop, at a rate that does not wait for answers."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

CONNECTIONS = 8
LOAD_CORE = "1"


def fastest(
    url: str, headers: dict[str, str], body: dict[str, Any] | bytes, seconds: int, work: Path
) -> tuple[int, float, float]:
    """Send as fast as it answers; return requests, p50 and p99 in ms."""
    script = work / "request.lua"
    lines = [f'wrk.headers["{n}"]="{v}"' for n, v in ({"content-type": "application/json"} | headers).items()]
    content = work / "request.body"
    content.write_bytes(body if isinstance(body, bytes) else json.dumps(body).encode())
    read = f'local file=io.open("{content}","rb"); wrk.body=file:read("*a"); file:close()'
    script.write_text("\n".join(['wrk.method="POST"', *lines, read]))
    command = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency"]
    text = subprocess.run([*command, "-s", str(script), url], capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in text, text
    times = [_milliseconds(re.search(rf"{part}%\s+([\d.]+)(us|ms|s)", text)) for part in ("50", "99")]
    found = re.search(r"(\d+) requests in", text)
    assert found is not None
    return int(found[1]), times[0], times[1]


def at_rate(url: str, headers: dict[str, str], body: dict[str, Any], rate: float, seconds: float) -> list[float]:
    """Send `rate` requests a second whatever comes back; return p50, p90 and p99 in ms since each was due."""
    order = {"url": url, "headers": headers, "body": body, "rate": rate, "seconds": seconds}
    command = ["taskset", "-c", LOAD_CORE, sys.executable, "-W", "ignore", __file__]
    done = subprocess.run(command, input=json.dumps(order), capture_output=True, text=True, check=True)
    found: list[float] = json.loads(done.stdout)
    return found


async def _send(order: dict[str, Any]) -> list[float]:
    import httpx

    taken: list[float] = []
    interval = 1 / order["rate"]
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
    async with httpx.AsyncClient(limits=limits, timeout=60) as client:

        async def one(due: float) -> None:
            answer = await client.post(order["url"], json=order["body"], headers=order["headers"])
            assert answer.status_code == 200, answer.text
            taken.append(time.perf_counter() - due)

        start = time.perf_counter()
        tasks = []
        for number in range(int(order["rate"] * order["seconds"])):
            due = start + number * interval
            await asyncio.sleep(max(0, due - time.perf_counter()))
            tasks.append(asyncio.create_task(one(due)))
        await asyncio.gather(*tasks)
    taken.sort()
    return [taken[min(int(len(taken) * share), len(taken) - 1)] * 1000 for share in (0.5, 0.9, 0.99)]


def _milliseconds(match: re.Match[str] | None) -> float:
    assert match is not None
    return float(match[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[match[2]]


if __name__ == "__main__":
    argparse.ArgumentParser(description="An order of at_rate() as JSON on standard input.").parse_args()
    print(json.dumps(asyncio.run(_send(json.load(sys.stdin)))))

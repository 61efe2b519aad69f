"""The image against the stock Bento image of the same model, side by side on one base.

    python benchmarks/image.py --base 127.0.0.1:5000/debian-python@sha256:... --registry 127.0.0.1:5000/bench

Builds both from nothing in an image store of its own, then a second model version, and pushes
each: seconds, compressed and unpacked megabytes, and the bytes that the second version changed.
The stock image is `bentoml build` and `bentoml containerize --backend buildah`, as the Bento's
own documentation says, with the same application, packages and model. Needs buildah and skopeo.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
MODEL = ROOT / "tests/fixtures/flight-delay"
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Row:
    """One way of building: seconds, and what is in the registry afterwards."""

    name: str
    first: float
    second: float
    compressed: int
    unpacked: int
    changed: int


def main() -> None:
    """Read the arguments, measure, print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--base", required=True, help="base image by digest, for ours and for stock")
    parser.add_argument("--stock-base", help="base of the stock image, where it must hold uv  [default: --base]")
    parser.add_argument("--registry", required=True, help="HOST/PATH to push to")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as name:
        folder = Path(name)
        models = [version(folder / f"model-{number}", number) for number in (1, 2)]
        rows = [
            measure("slipway package", folder, models, given.registry, lambda one: ours(one, given)),
            measure("bentoml containerize", folder, models, given.registry, lambda one: stock(one, folder, given)),
        ]
    model_bytes = sum(path.stat().st_size for path in MODEL.iterdir())
    print(f"model {model_bytes / 1e6:.3f} MB, base {given.base.rpartition('/')[2][:40]}…")
    print("| | from nothing s | next model s | compressed MB | unpacked MB | changed MB |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        sizes = f"{row.compressed / 1e6:.1f} | {row.unpacked / 1e6:.1f} | {row.changed / 1e6:.3f}"
        print(f"| {row.name} | {row.first:.1f} | {row.second:.1f} | {sizes} |")
    left, right = rows
    print(f"| ratio | {left.first / right.first:.2f} | {left.second / right.second:.2f} "
          f"| {left.compressed / right.compressed:.2f} | {left.unpacked / right.unpacked:.2f} "
          f"| {left.changed / model_bytes:.2f}x and {right.changed / model_bytes:.0f}x the model |")  # fmt: skip


def version(folder: Path, number: int) -> Path:
    """Copy the fixture model with other bytes: an exported version of its own."""
    shutil.copytree(MODEL, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    golden = json.loads((folder / "golden.json").read_text())
    content = json.dumps({key: golden[key][number:] for key in golden}).encode()
    (folder / "golden.json").write_bytes(content)
    manifest["model"]["version"] = str(number)
    manifest["files"]["golden.json"] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def measure(name: str, folder: Path, models: list[Path], registry: str, build: Any) -> Row:
    """Build both versions in a store of their own and look at what was pushed."""
    kept = folder / "store" / name.replace(" ", "-")
    kept.mkdir(parents=True)
    (kept / "storage.conf").write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{kept / "graph"}"\nrunroot = "{kept / "run"}"\n'
    )
    insecure = f'[[registry]]\nlocation = "{registry.partition("/")[0]}"\ninsecure = true\n'
    (kept / "registries.conf").write_text(insecure)
    os.environ |= {"CONTAINERS_STORAGE_CONF": str(kept / "storage.conf"), "SLIPWAY_CACHE": str(kept / "cache")}
    os.environ |= {"CONTAINERS_REGISTRIES_CONF": str(kept / "registries.conf"), "BUILDAH_LAYERS": "true"}
    seconds, manifests = [], []
    for model in models:
        began = time.perf_counter()
        reference = build(model)
        seconds.append(time.perf_counter() - began)
        manifests.append(inspect(reference))
    before = {layer["digest"] for layer in manifests[0]["layers"]}
    changed = sum(layer["size"] for layer in manifests[1]["layers"] if layer["digest"] not in before)
    unpacked = size_of(reference)
    subprocess.run(["umount", "--lazy", str(kept / "graph/overlay")], capture_output=True, check=False)
    return Row(name, seconds[0], seconds[1], sum(x["size"] for x in manifests[1]["layers"]), unpacked, changed)


def ours(model: Path, given: argparse.Namespace) -> str:
    """Build and push by `slipway package`'s builder."""
    words = [sys.executable, "-m", "image", str(model), "--json"]
    said = json.loads(run([*words, "--base", given.base, "--registry", f"{given.registry}/ours"]))
    return str(said["image"])


def stock(model: Path, folder: Path, given: argparse.Namespace) -> str:
    """Make the Bento of the same version and containerize it as BentoML does."""
    os.environ |= {"BENTOML_HOME": str(folder / "bentoml"), "BENTOML_DO_NOT_TRACK": "True"}
    base = given.stock_base or given.base
    made = json.loads(run([sys.executable, "-m", "image", str(model), "--no-image", "--base", base, "--json"]))
    reference = f"{given.registry}/stock/{made['bento']}"
    run([str(BIN / "bentoml"), "containerize", made["bento"], "--backend", "buildah", "-t", reference])
    run(["buildah", "push", "--quiet", "--tls-verify=false", reference, f"docker://{reference}"])
    return reference


def inspect(reference: str) -> dict[str, Any]:
    """Return the manifest in the registry."""
    found: dict[str, Any] = json.loads(
        run(["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{reference}"])
    )
    return found


def size_of(reference: str) -> int:
    """Return an image's unpacked bytes, as the local store counts them."""
    listed = json.loads(run(["buildah", "images", "--json", reference]))
    text = str(listed[0]["size"])
    number, unit = text.split()
    return int(float(number) * {"KB": 1e3, "MB": 1e6, "GB": 1e9}[unit])


def run(words: list[str], folder: Path = ROOT) -> str:
    """Run a command; its last words are shown when it fails."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode:
        sys.exit(f"{' '.join(words)}\n{done.stdout[-1500:]}\n{done.stderr[-3000:]}")
    return done.stdout


if __name__ == "__main__":
    main()

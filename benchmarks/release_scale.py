"""Reading, rendering and staging with 100 models against one: time a model must stay under twice that of one.

python benchmarks/release_scale.py [MODELS]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from release.git.commits import STAGE, Actor, message
from release.git.diff import difference
from release.git.manifests import Clone, Remote, cloned
from release.git.push import BranchStep, step
from release.release_file import Release, render

ENVIRONMENTS, REPEATS = ("staging", "production"), 5
KUSTOMIZATION = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"


def release(model: str, version: int = 1) -> Release:
    digits = f"{version:064x}"
    return Release(
        model,
        version,
        digits[:32],
        digits[:40],
        digits[:32],
        digits,
        digits,
        f"localhost:5000/{model}",
        f"sha256:{digits}",
    )


def remote(folder: Path, models: int) -> Path:
    """Make a bare repository with the manifests of so many models."""
    for number in range(models):
        model = f"model-{number}"
        base = folder / "work/gitops/apps" / model / "base"
        base.mkdir(parents=True)
        (base / "kustomization.yaml").write_text(KUSTOMIZATION + "resources: [deployment.yaml]\n")
        pod = f"{{metadata: {{labels: {{app: a}}}}, spec: {{containers: [{{name: server, image: {model}}}]}}}}"
        spec = f"{{selector: {{matchLabels: {{app: a}}}}, template: {pod}}}"
        (base / "deployment.yaml").write_text(
            f"apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {model}}}\nspec: {spec}\n"
        )
        for environment in ENVIRONMENTS:
            overlay = base.parent / environment
            (overlay / "release").mkdir(parents=True)
            (overlay / "kustomization.yaml").write_text(KUSTOMIZATION + "resources: [../base]\ncomponents: [release]\n")
            (overlay / "release/kustomization.yaml").write_text(render(release(model)))
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.org"]
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "Begin"]):
        subprocess.run(["git", "-C", folder / "work", *identity, *words], check=True)
    subprocess.run(["git", "clone", "-q", "--bare", folder / "work", folder / "remote.git"], check=True)
    return folder / "remote.git"


def seconds(act: Callable[[], object]) -> float:
    """Return the median time of an act."""
    taken = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        act()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def stage_all(clone: Clone, models: int, version: int) -> None:
    for number in range(models):
        path, new = clone.path(f"model-{number}", "staging"), release(f"model-{number}", version)
        step(clone, lambda _, path=path, new=new: BranchStep({path: render(new)}, message("Stage", STAGE, new)))  # type: ignore[misc]


def measure(models: int) -> dict[str, float]:
    """Return the seconds a model that each act takes with so many models."""
    with tempfile.TemporaryDirectory() as temporary:
        place = Remote(str(remote(Path(temporary), models)), "main", "gitops", Actor("bench", "bench@example.org"))

        def read() -> None:
            with cloned(place) as clone:
                assert len(clone.releases()) == models * len(ENVIRONMENTS)

        with cloned(place) as clone:
            changed = render(release("model-0", 2))
            rendered = seconds(lambda: difference(clone, "model-0", changed))
            versions = iter(range(2, 2 + REPEATS))
            staged = seconds(lambda: stage_all(clone, models, next(versions)))
        return {"read and check": seconds(read) / models, "render one": rendered, "stage": staged / models}


def main() -> int:
    """Print the table; the exit code is 1 where a ratio is 2 or more."""
    models = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    one, many = measure(1), measure(models)
    print(f"{'ms a model':16}{'1 model':>10}{f'{models} models':>12}{'ratio':>8}")
    for name, value in one.items():
        print(f"{name:16}{value * 1e3:>10.1f}{many[name] * 1e3:>12.1f}{many[name] / value:>8.2f}")
    return int(any(many[name] / one[name] >= 2 for name in one))


if __name__ == "__main__":
    sys.exit(main())

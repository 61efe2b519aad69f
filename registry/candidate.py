"""The artifact that `dvc repro` left, read once, verified, and staged for all that follows.

Owns what makes two registrations the same one: the key. Refuses missing
outputs, bytes that dvc.lock does not name, and a contract for another model.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry import lock, params, source
from slipway import artifact, tasks
from slipway.errors import BadInput
from slipway.task import Task

TRAIN_ROWS, TEST_ROWS = "data/prepared/train.parquet", "data/prepared/test.parquet"
REPORTS = ("metrics.json", "parity.json", "validation.json", "predictions.parquet")
BESIDE = ("uv.lock", "dvc.lock", "dvc.yaml", "params.yaml")


@dataclass(frozen=True)
class Candidate:
    """A verified artifact: `model` and `reports` by file name, and where it comes from."""

    root: Path
    params: params.RunParams
    lock: lock.Lock
    source: source.Source
    model: dict[str, bytes]
    reports: dict[str, bytes]
    rows: bytes
    task: Task

    @property
    def name(self) -> str:
        return self.params.name

    @property
    def key(self) -> str:
        """Return the digest that two registrations of the same model from the same source share."""
        parts = [
            self.name,
            self.md5(artifact.GRAPH),
            self.sha256(artifact.SCHEMA),
            self.source.commit,
            self.source.changes,
        ]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def md5(self, file: str) -> str:
        """Return DVC's digest of a file of the model."""
        return self.lock.md5(f"model/{file}")

    def sha256(self, file: str) -> str:
        """Return the digest of a file of the model that an export is checked against."""
        return hashlib.sha256(self.model[file]).hexdigest()

    def json(self, file: str) -> dict[str, Any]:
        """Return a JSON file of the model or the reports.

        Raises:
            BadInput: it is not a JSON object.
        """
        content = self.model.get(file) or self.reports[file]
        try:
            parsed = json.loads(content)
        except ValueError as error:
            raise BadInput(f"{file} is not JSON", found=str(error), hint="dvc repro --force") from error
        if not isinstance(parsed, dict):
            raise BadInput(f"{file} is not a JSON object", found=type(parsed).__name__, hint="dvc repro --force")
        return parsed

    def tags(self) -> dict[str, str]:
        """Return what a version records about its origin."""
        return {
            "registration_key": self.key,
            "git_commit": self.source.commit,
            "git_dirty": str(self.source.dirty).lower(),
            "dvc_lock_sha256": self.lock.sha256,
            "data_md5": self.lock.md5(TRAIN_ROWS),
            "test_data_md5": self.lock.md5(TEST_ROWS),
            "model_md5": self.md5(artifact.GRAPH),
            **{tag: self.sha256(file) for file, tag in artifact.DIGEST_TAGS.items()},
        }


def read(root: Path, allow_dirty: bool) -> Candidate:
    """Read and verify the artifact in `root`.

    Raises:
        BadInput: something is missing or malformed.
        Refused: uncommitted changes, or outputs that are not those of the last repro.
    """
    task = _task(root / "model" / artifact.SCHEMA)
    settings = params.load(root / "params.yaml", task.name)
    locked = lock.load(root)
    model = {file: locked.read(f"model/{file}") for file in artifact.TRAINED}
    reports = {file: locked.read(f"reports/{file}") for file in _reports(locked)}
    rows = locked.read(TEST_ROWS)
    locked.refuse_stale()
    candidate = Candidate(root, settings, locked, source.inspect(root, allow_dirty), model, reports, rows, task)
    _refuse_foreign_contract(candidate)
    return candidate


def _task(contract: Path) -> Task:
    """Read the task before the file is verified: params.yaml is read by it. A file that is not there has none."""
    try:
        described = json.loads(contract.read_bytes())
    except (OSError, ValueError):
        return tasks.read(None)
    return tasks.read(described.get("task") if isinstance(described, dict) else None)


def stage(candidate: Candidate, folder: Path) -> None:
    """Lay the verified bytes out under `folder`: model/, run/ and test.parquet."""
    for file, content in candidate.model.items():
        _write(folder / "model" / file, content)
    for file, content in candidate.reports.items():
        _write(folder / "run" / "reports" / file, content)
    for file in BESIDE:
        if (path := _nearest(candidate, file)) is not None:
            _write(folder / "run" / "source" / file, path.read_bytes())
    _write(folder / "test.parquet", candidate.rows)


def _nearest(candidate: Candidate, file: str) -> Path | None:
    # A second model may lie in a folder of its own and share the repository's lock of the environment.
    places = (candidate.root / file, candidate.source.top / file)
    return next((place for place in places if place.is_file()), None)


def _reports(locked: lock.Lock) -> list[str]:
    within = [path for path in locked.outputs if f"{path}/".startswith("reports/")]
    made = {file for path in within for file in (locked.below(path) or {path: ""})}
    return sorted({path.removeprefix("reports/") for path in made} | set(REPORTS))


def _refuse_foreign_contract(candidate: Candidate) -> None:
    contract = candidate.json(artifact.SCHEMA)
    if contract.get("model") != candidate.name:
        raise BadInput(
            f"{candidate.root / 'model' / artifact.SCHEMA} is the contract of another model",
            expected=candidate.name,
            found=str(contract.get("model")),
            hint="dvc repro",
        )
    inputs = contract.get("inputs")
    if not isinstance(inputs, dict) or not {"numeric", "categorical"} <= set(inputs):
        raise BadInput(
            f"{candidate.root / 'model' / artifact.SCHEMA} does not name the model's inputs",
            expected="inputs.numeric and inputs.categorical",
            found=", ".join(inputs) if isinstance(inputs, dict) else type(inputs).__name__,
            hint="dvc repro --force train",
        )


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)

"""Other people's tables: a project folder of its own for any table, with the stages of this one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from registry import candidate, evidence, inspection
from registry.gate import judge
from registry.verdict import Verdict
from tests.integration.registry import project

ROOT = Path(__file__).parents[3]
FEATURES = '''"""The features of a table that a test drew or took."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal


class Known(Enum):
    BEFORE = "before the question is asked"


@dataclass(frozen=True)
class Feature:
    name: str
    type: Literal["integer", "number", "string"]
    unit: str | None
    description: str
    known: Known
    minimum: float | None = None
    maximum: float | None = None
    missing: Literal["accept", "refuse"] = "accept"


NUMERIC: tuple[Feature, ...] = (
%s)
CATEGORICAL: tuple[Feature, ...] = (
%s)
FEATURES = NUMERIC + CATEGORICAL
'''
PROBLEM = '''"""What is predicted of a table that a test drew or took."""

from __future__ import annotations

import pandas as pd

from training.sections import Section

ROWS, POSITIVE, BLOCKS, WHY_BLOCKS = "rows", "positive", "rows", "every row stands for itself"


class Prepare(Section):
    split: float


def words(params: Prepare) -> dict[str, dict[str, str]]:
    return {"output": {"description": "Probability of 1"}, "target": {"name": "is_one", "description": "1"}}


def periods(params: Prepare) -> tuple[str, str]:
    return "the first rows", "the last rows"


def slices(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"slice": %s}, index=rows.index)


def cell(rows: pd.DataFrame) -> pd.Series[str]:
    return %s
'''
ALL = 'pd.Series("all", index=rows.index)'
SMALL_GATE: dict[str, Any] = {
    "confidence": 0.95,
    "resamples": 300,
    "seed": 13,
    "minimum": {"rows": 80, "positives": 20, "blocks": 30},
    "non_inferiority": {"log_loss": 0.01, "roc_auc": 0.01},
    "floors": {"roc_auc": 0.7, "log_loss": 0.6},
    "slices": {"minimum_rows": 50, "minimum_positives": 10, "roc_auc": 0.55},
    "calibration_error": 0.15,
    "size_bytes": 20_000_000,
    "latency_p99_ms": 200.0,
}


@dataclass
class Table:
    """A table and what its author would write about it; `rows` holds `label` and the features."""

    rows: pd.DataFrame
    estimator: str = "HistGradientBoostingClassifier"
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    features: dict[str, dict[str, Any]] = field(default_factory=dict)
    nulls: dict[str, float] = field(default_factory=dict)
    gate: dict[str, Any] = field(default_factory=dict)
    slice: str = ALL
    cell: str = ALL
    test_share: float = 0.3
    target: dict[str, Any] = field(default_factory=dict)
    label: dict[str, Any] = field(default_factory=lambda: {"type": "int8", "in": [0, 1]})
    train: dict[str, Any] = field(default_factory=dict)

    def write(self, root: Path) -> None:
        """Lay the project out under `root`: stages, features, question, rows, contract, parameters."""
        shutil.copytree(ROOT / "training", root / "training", ignore=shutil.ignore_patterns("__pycache__"))
        (root / "training/features.py").write_text(FEATURES % self._features())
        (root / "training/problem.py").write_text(PROBLEM % (self.slice, self.cell))
        (root / "data/prepared").mkdir(parents=True)
        train, test = self.split()
        train.to_parquet(root / "data/prepared/train.parquet", index=False)
        test.to_parquet(root / "data/prepared/test.parquet", index=False)
        (root / "data/contract.yaml").write_text(yaml.safe_dump(self.contract(), sort_keys=False))
        (root / "params.yaml").write_text(yaml.safe_dump(self.params(), sort_keys=False))

    def split(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the prepared training and test rows."""
        count = len(self.rows)
        order = np.random.default_rng(7).permutation(count)
        names = [str(name) for name in self.rows.columns if name != "label"]
        numbers = [name for name in names if pd.api.types.is_numeric_dtype(self.rows[name])]
        ids = [f"{i:06d}" for i in range(count)]
        keys = pd.DataFrame({"row_id": ids, "block": ids})
        rows = pd.concat([keys, self.rows[["label", *names]].reset_index(drop=True)], axis=1)
        if not self.target:
            rows["label"] = rows["label"].astype(np.int8)
        rows[numbers] = rows[numbers].astype(np.float32)
        cut = round(count * (1 - self.test_share))
        return rows.iloc[np.sort(order[:cut])], rows.iloc[np.sort(order[cut:])]

    def contract(self) -> dict[str, Any]:
        """Return the data contract."""
        columns = {
            "row_id": {"type": "str"},
            "block": {"type": "str"},
            "label": self.label,
            **{name: {"nulls": share} for name, share in self.nulls.items()},
        }
        return self.target | {
            "tables": {
                split: {
                    "path": f"data/prepared/{split}.parquet",
                    "rows": {"min": 1, "max": 1_000_000},
                    "unique": [["row_id"]],
                    "features": True,
                    "columns": columns,
                }
                for split in ("train", "test")
            }
        }

    def params(self) -> dict[str, Any]:
        """Return params.yaml."""
        return {
            "model": {"name": "small"},
            "prepare": {"split": self.test_share},
            "train": {
                "estimator": self.estimator,
                "seed": 13,
                "threads": 2,
                "hyperparameters": {self.estimator: self.hyperparameters},
                **self.train,
            },
            "evaluate": {"confidence": 0.95, "resamples": 200, "seed": 13},
            "gate": SMALL_GATE | self.gate,
            "tune": {"candidates": 1, "folds": 2, "space": {}},
        }

    def _features(self) -> tuple[str, str]:
        numeric: list[str] = []
        categorical: list[str] = []
        for name in self.rows.columns.drop("label"):
            number = pd.api.types.is_numeric_dtype(self.rows[name])
            rules: dict[str, Any] = {"type": "number" if number else "string"} | self.features.get(str(name), {})
            if rules["type"] == "number":
                values = self.rows[name].astype(np.float32)
                rules = {"minimum": float(values.min()), "maximum": float(values.max())} | rules
            words = ", ".join(f"{key}={value!r}" for key, value in rules.items())
            line = f"    Feature(name={str(name)!r}, unit=None, description='', known=Known.BEFORE, {words}),\n"
            (categorical if rules["type"] == "string" else numeric).append(line)
        return "".join(numeric), "".join(categorical)


def run(root: Path, *stages: str, memory_bytes: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run stages in turn, each a process of its own as DVC runs it; stop at the first that fails."""
    limited = ["prlimit", f"--data={memory_bytes}"] if memory_bytes else []
    for stage in stages:
        ran = subprocess.run(
            [*limited, sys.executable, "-m", f"training.{stage}"],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": f"{root}:{ROOT}"},
            timeout=300,
        )
        if ran.returncode != 0:
            return ran
    return ran


def verdict(root: Path) -> Verdict:
    """Judge what the stages left, as `slipway register` does, without a store."""
    scores = root / "scores.npz"
    project.lock(root)
    for words in (["init", "-q", "-b", "main"], ["add", "params.yaml", "dvc.lock"], ["commit", "-qm", "Train"]):
        project.git(root, *words)
    read = candidate.read(root, allow_dirty=True)
    running = inspection.start_scoring(root / "model", root / "data/prepared/test.parquet", scores)
    return judge(evidence.assemble(read, inspection.scored(running)), None, read.params.gate)

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
WARNING = "error:Could not find the number of physical cores"
PROGRAM = """
    import numpy as np, pandas as pd
    from training import features, params, search, train

    days = np.repeat([f"d{day:02d}" for day in range(12)], 20)
    random = np.random.default_rng(0)
    numeric = {one.name: random.uniform(0, 9, len(days)).astype(np.float32) for one in features.NUMERIC}
    strings = {one.name: random.choice(["A", "B"], len(days)) for one in features.CATEGORICAL}
    rows = pd.DataFrame({**numeric, **strings, "block": days, "label": random.integers(0, 2, len(days))})
    chosen = params.load()
    small = {"HistGradientBoostingClassifier": {"max_iter": 3}}
    estimator = {"estimator": "HistGradientBoostingClassifier", "hyperparameters": small}
    chosen = chosen.model_copy(update={
        "train": chosen.train.model_copy(update=estimator),
        "tune": chosen.tune.model_copy(update={"candidates": 1}),
    })
    print(type(train.fit(chosen, rows).model).__name__)
    print(len(list(search.search(chosen, rows, jobs=1))))
"""


@pytest.mark.long
def test_nothing_that_fits_a_model_asks_the_machine_for_its_cores() -> None:
    clean = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, "-W", WARNING, "-c", textwrap.dedent(PROGRAM)]
    environment = clean | {"PATH": "/nowhere", "PYTHONPATH": str(ROOT)}  # no lscpu
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("Pipeline\n1\n", "")

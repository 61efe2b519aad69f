"""Where MLflow is: the address that was named, or the embedded store of the project."""

from __future__ import annotations

import re
from pathlib import Path

STORE = Path("var/mlflow")


def tracking_uri(named: str | None, top: Path) -> str:
    """Return the tracking store's address; without a name, SQLite under `top`, whose folder is made.

    A PostgreSQL address gets the driver that is installed; MLflow would take that of a former generation.
    """
    if named:
        return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", named)
    folder = top / STORE
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / 'mlflow.db'}"

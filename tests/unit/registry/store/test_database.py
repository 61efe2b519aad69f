from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from registry.store.database import REVISION


def test_the_schema_that_is_known_is_that_of_the_mlflow_that_is_installed() -> None:
    """A newer MLflow works all the same, through its own client: read its migrations, then change the constant."""
    mlflow = importlib.util.find_spec("mlflow")
    assert mlflow is not None
    assert mlflow.submodule_search_locations is not None
    migrations = Path(mlflow.submodule_search_locations[0]) / "store/db_migrations/versions"
    texts = [file.read_text(encoding="utf-8") for file in migrations.glob("*.py")]
    revisions = {match for text in texts for match in re.findall(r"^revision = \"(\w+)\"", text, re.MULTILINE)}
    followed = {match for text in texts for match in re.findall(r"^down_revision = \"(\w+)\"", text, re.MULTILINE)}
    assert revisions - followed == {REVISION}

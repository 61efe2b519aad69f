"""What a store holds is bytes to verify: code that it names is not run, links are not followed."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pytest
import yaml

from registry.export import export
from slipway.artifact import DIGEST_TAGS
from slipway.errors import Refused, Unavailable
from tests.fixtures.typed import typed
from tests.integration.registry.conftest import Store

# MLflow's own: it warns of what its next release will change.
pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning", "ignore::DeprecationWarning"),
]


@pytest.fixture
def stored(root: Path, store: Store) -> Path:
    """The folder of a registered version in the artifact store."""
    store.register(root)
    return next((root / "var/mlflow/artifacts").rglob("MLmodel")).parent


def test_code_that_an_mlmodel_names_is_never_run(stored: Path, store: Store, tmp_path: Path) -> None:
    mark = tmp_path / "was-run"
    (stored / "code").mkdir()
    (stored / "code/evil_loader.py").write_text(
        f"from pathlib import Path\nPath({str(mark)!r}).touch()\ndef _load_pyfunc(path): return None\n"
    )
    described = yaml.safe_load((stored / "MLmodel").read_text())
    described["flavors"]["python_function"] |= {"loader_module": "evil_loader", "code": "code"}
    (stored / "MLmodel").write_text(yaml.safe_dump(described))
    assert export(store.open(), "tiny", "1", tmp_path / "out")["model"] == {"name": "tiny", "version": "1"}
    assert not mark.exists()
    with pytest.raises(Exception, match="predict"):
        mlflow.pyfunc.load_model(str(stored))
    assert mark.exists(), "whoever loads it runs it"


@pytest.mark.parametrize("target", ["/etc/passwd", "schema.json"], ids=["outside", "inside"])
def test_a_link_in_the_store_is_not_followed_into_an_export(
    stored: Path, store: Store, tmp_path: Path, target: str
) -> None:
    (stored / "golden.json").unlink()
    (stored / "golden.json").symlink_to(target)
    with pytest.raises(Refused, match=r"golden\.json of tiny version 1 is refused"):
        export(store.open(), "tiny", "1", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("file", DIGEST_TAGS)
def test_a_file_that_was_cut_short_or_is_gone_is_not_exported(
    stored: Path, store: Store, tmp_path: Path, file: str
) -> None:
    whole = (stored / file).read_bytes()
    (stored / file).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Refused, match="not what was registered"):
        export(store.open(), "tiny", "1", tmp_path / "out")
    (stored / file).unlink()
    with pytest.raises(Unavailable, match=file):
        export(store.open(), "tiny", "1", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (stored / file).write_bytes(whole)
    assert export(store.open(), "tiny", "1", tmp_path / "out")["files"].keys() == DIGEST_TAGS.keys()


@pytest.mark.parametrize("words", [["serve", "tiny@1"], ["score", "in.parquet", "out.parquet", "--model", "tiny@1"]])
def test_whoever_exports_in_a_process_of_its_own_keeps_the_refusal_and_its_exit_code(
    stored: Path, store: Store, tmp_path: Path, words: list[str]
) -> None:
    (stored / "model.onnx").write_bytes(b"other bytes")
    done = typed(words, {"MLFLOW_TRACKING_URI": store.uri}, tmp_path)
    assert done.code == 4, done.err
    assert done.err.count("error: ") == 1
    assert "model.onnx of tiny version 1 is not what was registered" in done.err

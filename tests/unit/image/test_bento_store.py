"""BentoML's stores: a Bento and its model are replaced whole, and nothing piles up."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from image import bento_file, bento_store
from image.bento import INPUTS, Bento, Recipe
from slipway.errors import BadInput, Unavailable

MODEL = Path(__file__).parents[2] / "fixtures/flight-delay"


def recipe(version: str = "7", inputs: str = "1" * 64) -> Recipe:
    labels = {"slipway.model": "flight-delay", INPUTS: inputs}
    return Recipe("flight-delay", version, labels, "flights", "", int(version), "1.24", "3.11", "")


def made(folder: Path, chosen: Recipe, application: str = "first") -> Bento:
    """Lay out a Bento as BentoML does."""
    bento, model = folder / "bento" / chosen.version, folder / "model" / chosen.version
    (bento / "src").mkdir(parents=True)
    (bento / "src/app.py").write_text(application)
    created = f"1980-01-01T00:00:{int(chosen.version):02}+00:00"
    described = {"name": chosen.name, "labels": chosen.labels, "creation_time": created}
    (bento / "bento.yaml").write_text(yaml.safe_dump(described))
    shutil.copytree(MODEL, model)
    (model / "model.yaml").write_text(yaml.safe_dump({"creation_time": created}))
    return Bento(chosen, bento, model)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "bentoml"


def test_bentomls_own_variable_says_where() -> None:
    assert bento_store.home({"BENTOML_HOME": "/a/b"}) == Path("/a/b")
    assert bento_store.home({}) == Path.home() / "bentoml"


def test_what_is_kept_is_held_until_a_byte_or_an_input_changes(home: Path, tmp_path: Path) -> None:
    chosen = recipe()
    assert not bento_store.holds(home, chosen, MODEL)
    bento_store.keep(home, made(tmp_path, chosen))
    assert bento_store.holds(home, chosen, MODEL)
    assert not bento_store.holds(home, recipe(inputs="2" * 64), MODEL)
    stored = home / "models/flight-delay/7"
    (stored / "golden.json").write_bytes(b"{}")
    assert not bento_store.holds(home, chosen, MODEL), "the stored model is another"
    shutil.copy(MODEL / "golden.json", stored)
    (stored / "model.yaml").unlink()
    assert not bento_store.holds(home, chosen, MODEL), "BentoML cannot read the model"


def test_the_same_tag_is_replaced_and_leaves_nothing(home: Path, tmp_path: Path) -> None:
    bento_store.keep(home, made(tmp_path / "1", recipe()))
    bento_store.keep(home, made(tmp_path / "2", recipe(inputs="2" * 64), "second"))
    store = home / "bentos/flight-delay"
    assert sorted(path.name for path in store.iterdir()) == ["7", "latest"]
    assert (store / "7/src/app.py").read_text() == "second"
    assert [path.name for path in (home / "tmp").iterdir()] == ["slipway-lock"]


def test_what_is_there_already_is_left_alone_with_the_bytecode_of_who_serves_it(home: Path, tmp_path: Path) -> None:
    bento_store.keep(home, made(tmp_path / "1", recipe()))
    source = home / "bentos/flight-delay/7/src"
    (source / "__pycache__").mkdir()
    (source / "__pycache__/app.pyc").write_bytes(b"compiled")
    before = source.stat().st_ino
    bento_store.keep(home, made(tmp_path / "2", recipe()))
    assert source.stat().st_ino == before


def test_a_packaging_that_was_killed_is_cleared_away(home: Path, tmp_path: Path) -> None:
    left = home / "tmp/slipway-put-killed/new"
    left.mkdir(parents=True)
    (home / "bentos/flight-delay/7").mkdir(parents=True)  # half of one
    other = home / "tmp/of-bentoml"
    other.mkdir()
    bento_store.keep(home, made(tmp_path, recipe()))
    assert not left.exists()
    assert other.exists()
    assert bento_store.holds(home, recipe(), MODEL)


def test_packagings_at_once_leave_each_bento_and_nothing_else(home: Path, tmp_path: Path) -> None:
    bentos = [made(tmp_path / str(turn), recipe(str(turn % 4 + 1), str(turn)), str(turn)) for turn in range(16)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda bento: bento_store.keep(home, bento), bentos))
    names = ["1", "2", "3", "4", "latest"]
    assert sorted(path.name for path in (home / "bentos/flight-delay").iterdir()) == names
    assert sorted(path.name for path in (home / "models/flight-delay").iterdir()) == names
    assert [path.name for path in (home / "tmp").iterdir()] == ["slipway-lock"]


@pytest.mark.parametrize("order", [("7", "10"), ("10", "7")])
def test_latest_is_the_highest_version_in_whatever_order(home: Path, tmp_path: Path, order: tuple[str, str]) -> None:
    for version in order:
        bento_store.keep(home, made(tmp_path / version, recipe(version)))
    assert {(home / kind / "flight-delay/latest").read_text() for kind in ("bentos", "models")} == {"10"}


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot write BentoML's store") as raised:
        bento_store.keep(tmp_path / "file", made(tmp_path, recipe()))
    assert "BENTOML_HOME" in str(raised.value)


def test_a_file_depends_on_the_bento_alone(tmp_path: Path) -> None:
    first, second = made(tmp_path / "1", recipe()), made(tmp_path / "2", recipe())
    for path in second.folder.rglob("*"):
        os.utime(path, (1, 1))
    bento_file.write(first, tmp_path / "1.bento")
    bento_file.write(second, tmp_path / "2.bento")
    assert (tmp_path / "1.bento").read_bytes() == (tmp_path / "2.bento").read_bytes()
    bento_file.write(made(tmp_path / "3", recipe(), "second"), tmp_path / "3.bento")
    assert (tmp_path / "1.bento").read_bytes() != (tmp_path / "3.bento").read_bytes()


@pytest.mark.parametrize("name", ["flight", "flight.zip", "flight.tar.gz", "folder.bento"])
def test_a_name_that_bentoml_reads_otherwise_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.bento").mkdir()
    with pytest.raises(BadInput, match="is not a file that BentoML imports"):
        bento_file.check(tmp_path / name)
    bento_file.check(tmp_path / "flight.bento")

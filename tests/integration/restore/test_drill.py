"""A drill: everything that the stores hold is dumped, lost, and restored into servers that have never seen it.

MLflow's database, the journal and the audit record are in PostgreSQL, the artifacts on S3. The databases are dumped
first and the bucket is copied after, so that no version of the backup lacks its files.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest

from tests.fixtures import s3_sync
from tests.fixtures.pages import ROOT, held_by
from tests.fixtures.servers import Postgres
from tests.fixtures.shell import Shell
from tests.integration import s3 as seaweed
from tests.integration.monitoring.requests import ask, asked
from tests.integration.registry import project

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(900)]
TEST = "tests/integration/restore/test_drill.py::test_what_was_backed_up_is_what_comes_back"
DATABASES = ("mlflow", "journal", "audit")


@dataclass(frozen=True)
class Stores:
    """One set of stores, and commands that speak to it."""

    postgres: Postgres
    s3: seaweed.S3
    project: Path

    def environment(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("SLIPWAY_", "MLFLOW_"))}
        mlflow = self.postgres.url("mlflow").replace("postgresql://", "postgresql+psycopg://")
        named = {"MLFLOW_TRACKING_URI": mlflow, "SLIPWAY_ARTIFACT_ROOT": f"s3://{self.s3.bucket}/artifacts"}
        named |= {"SLIPWAY_DATABASE_URL": self.postgres.url("journal"), "SLIPWAY_ACTOR": "Ada <ada@example.com>"}
        named |= {"SLIPWAY_AUDIT_URL": self.postgres.url("audit"), "SLIPWAY_GITOPS_REMOTE": str(self.project / "git")}
        return clean | named | self.s3.environment()

    def slipway(self, *words: str, code: int = 0) -> str:
        command = [sys.executable, "-m", "slipway", *words]
        environment = self.environment()
        done = subprocess.run(
            command, cwd=self.project, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def bucket(self) -> Any:
        keys = {"aws_access_key_id": self.s3.access_key, "aws_secret_access_key": self.s3.secret_key}
        resource = boto3.resource("s3", endpoint_url=self.s3.endpoint, region_name="us-east-1", **keys)
        return resource.Bucket(self.s3.bucket)

    def rows(self, database: str, query: str) -> list[Any]:
        with psycopg.connect(self.postgres.url(database)) as connection:
            return connection.execute(query.encode()).fetchall()

    def tables(self, database: str) -> dict[str, list[Any]]:
        """Return every row of every table."""
        named = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        queries = {one: f'SELECT t::text FROM "{one}" t ORDER BY 1' for (one,) in self.rows(database, named)}  # noqa: S608
        return {one: self.rows(database, query) for one, query in queries.items()}


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[Callable[[], Stores]]:
    with ExitStack() as running:

        def make() -> Stores:
            folder = tmp_path / f"s3-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            server = Postgres()
            running.callback(server.stop)
            return Stores(server, running.enter_context(seaweed.serving(folder)), tmp_path / "project")

        yield make


@pytest.fixture
def lived(sites: Callable[[], Stores], tmp_path: Path) -> Stores:
    """A site in which a version was registered and rejected, and 1,500 rows were predicted."""
    site = sites()
    project.make(site.project)
    project.git(site.project, "init", "-q", "-b", "main")
    (site.project / ".gitignore").write_text("/var/\n/model/\n/data/\n/git/\n/reports/predictions.parquet\n")
    project.commit(site.project)
    subprocess.run(["git", "clone", "-q", "--bare", site.project, site.project / "git"], check=True)
    with psycopg.connect(site.postgres.url(), autocommit=True) as connection:
        for name in DATABASES:
            connection.execute(f"CREATE DATABASE {name}".encode())
    site.slipway("register")
    site.slipway("reject", "tiny", "1", "--reason", "A drill")
    site.slipway("journal", "migrate")
    ask(site.postgres.url("journal"), asked(site.project))
    return site


def backup(site: Stores, folder: Path) -> str:
    """Type what docs/how-to/restore.md types, and keep it in `folder`; return the record's head, as it was noted."""
    (folder / "bin").mkdir(parents=True)
    programs = (s3_sync.install(folder / "bin"), site.postgres.program("pg_dump").parent, Path(sys.executable).parent)
    environment = site.environment() | {"MLFLOW_DATABASE_URL": site.postgres.url("mlflow"), "PYTHONPATH": str(ROOT)}
    environment["PATH"] = os.pathsep.join([*map(str, programs), os.environ["PATH"]])
    places = {"s3://bucket/": f"s3://{site.s3.bucket}/", "s3://backup/": f"{folder}/bucket/"}
    shell = Shell(site.project, environment)
    try:
        for step in [step for block in held_by(TEST) for step in block.steps]:
            command = step.command
            for place, here in places.items():
                command = command.replace(place, here)
            printed, code = shell.run(command, 120)
            assert code == 0, f"{command} ended with {code}:\n" + "\n".join(printed)
    finally:
        shell.close()
    for made in (*(f"{name}.dump" for name in DATABASES), "manifests.git", "audit.head"):
        (site.project / made).rename(folder / made)
    return (folder / "audit.head").read_text().strip()


def restore(site: Stores, folder: Path) -> None:
    with psycopg.connect(site.postgres.url(), autocommit=True) as connection:
        for name in DATABASES:
            connection.execute(f"CREATE DATABASE {name}".encode())
    for name in DATABASES:
        words = ["--no-owner", "--exit-on-error", f"--dbname={site.postgres.url(name)}", str(folder / f"{name}.dump")]
        subprocess.run([site.postgres.program("pg_restore"), *words], check=True)
    for file in (folder / "bucket").rglob("*"):
        if file.is_file():
            site.bucket().upload_file(str(file), str(file.relative_to(folder / "bucket")))
    assert commit(folder / "manifests.git") == commit(site.project / "git")  # the mirror has what production reads


def commit(repository: Path) -> str:
    done = subprocess.run(["git", "-C", repository, "rev-parse", "main"], check=True, capture_output=True, text=True)
    return done.stdout


def test_what_was_backed_up_is_what_comes_back(lived: Stores, sites: Callable[[], Stores], tmp_path: Path) -> None:
    head = backup(lived, tmp_path / "backup")
    before = {name: lived.tables(name) for name in DATABASES}
    assert head == json.loads(lived.slipway("audit", "--json"))["head"]
    lived.slipway("export", "tiny", "1", str(tmp_path / "exported"))
    lived.postgres.stop()

    found = sites()
    restore(found, tmp_path / "backup")
    assert {name: found.tables(name) for name in DATABASES} == before
    assert len(before["journal"]["prediction_keys"]) == 0  # written by the server alone; the requests themselves:
    assert found.rows("journal", "SELECT count(*), sum(cardinality(scores)) FROM predictions") == [(150, 1500)]
    said = json.loads(found.slipway("audit", "--verify", "--head", head, "--json"))
    assert (said["verified"], said["head"]) == (True, head)
    found.slipway("export", "tiny", "1", str(tmp_path / "again"))
    for file in (tmp_path / "exported").iterdir():  # the manifest too: every digest, the run, the commit
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


def test_life_goes_on_in_what_was_restored(lived: Stores, sites: Callable[[], Stores], tmp_path: Path) -> None:
    backup(lived, tmp_path / "backup")
    found = sites()
    restore(found, tmp_path / "backup")
    assert "nothing" in found.slipway("register") or "already" in found.slipway("register")
    found.slipway("journal", "migrate")
    ask(found.postgres.url("journal"), asked(found.project)[:10])
    assert found.rows("journal", "SELECT count(*) FROM predictions") == [(151,)]
    found.slipway("reject", "tiny", "1", "--reason", "Another word")
    assert json.loads(found.slipway("audit", "--verify", "--json"))["verified"] is True


def test_a_backup_that_lost_a_file_or_a_row_is_not_taken_for_whole(
    lived: Stores, sites: Callable[[], Stores], tmp_path: Path
) -> None:
    head = backup(lived, tmp_path / "backup")
    (model,) = (tmp_path / "backup/bucket").rglob("model.onnx")
    model.write_bytes(model.read_bytes()[:-1] + b"?")
    found = sites()
    restore(found, tmp_path / "backup")
    found.slipway("export", "tiny", "1", str(tmp_path / "broken"), code=4)
    assert not (tmp_path / "broken").exists()
    with psycopg.connect(found.postgres.url("audit")) as connection:
        (table,) = [one for one in found.tables("audit") if "audit" in one]
        connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())  # it refuses every change
        connection.execute(f"DELETE FROM {table}".encode())  # noqa: S608
    found.slipway("audit", "--verify", "--head", head, code=4)

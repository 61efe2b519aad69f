"""A pod is deleted while the database is down, and what it had written down reaches the database all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from tests.e2e.cluster.test_faults import ROW, pods, ready_pods
from tests.fixtures import pod
from tests.fixtures.door import Door
from tests.fixtures.images import ROOT, Image
from tests.fixtures.kubectl import kubectl, wait
from tests.fixtures.load import Load
from tests.fixtures.servers import Postgres
from tests.fixtures.site import Site

Images = dict[str, Image]


@pytest.fixture
def journal() -> Iterator[str]:
    """An empty journal; its address is one on this machine."""
    server = Postgres()
    url = server.new_database()
    words = [sys.executable, "-m", "slipway", "journal", "migrate"]
    subprocess.run(words, check=True, env=os.environ | {"SLIPWAY_DATABASE_URL": url}, cwd=ROOT, capture_output=True)
    yield url
    server.stop()


@pytest.fixture
def door(journal: str, open_door: Callable[[str], Door]) -> Door:
    """The way of the pods to that PostgreSQL."""
    parts = urlsplit(journal)
    socket = parse_qs(parts.query).get("host", [""])[0]
    return open_door(f"{socket}/.s.PGSQL.5432" if socket else f"{parts.hostname}:{parts.port}")


@pytest.fixture
def shared(new_site: Callable[..., Site]) -> Site:
    tool = os.environ.get("SLIPWAY_TEST_CLUSTER")
    if tool:  # what former runs claimed is freed by hand
        subprocess.run([tool, "volumes"], check=True, capture_output=True)
    return new_site(shared_spool=True)


def written(journal: str) -> set[str]:
    with psycopg.connect(journal) as connection:
        rows = connection.execute("SELECT request_id FROM predictions").fetchall()
    assert len(rows) == len({row[0] for row in rows}), "a row twice"
    return {str(row[0]) for row in rows}


def folders(site: Site) -> set[str]:
    pod = pods(site)[0]["metadata"]["name"]
    # The image has a Python and no shell.
    words = ["exec", pod, "--", "python3", "-c", "import os; print(*os.listdir('/var/lib/slipway/spool'))"]
    return set(kubectl("-n", site.namespace("production"), *words).split())


def test_rows_of_a_pod_that_is_gone_are_delivered_by_another(
    shared: Site, built: Images, journal: str, door: Door
) -> None:
    database = urlsplit(journal).path
    shared.install(["production"], SLIPWAY_JOURNAL="on",
                   SLIPWAY_DATABASE_URL=f"postgresql://postgres@{door.address}{database}")  # fmt: skip
    pod.allow_egress(shared.namespace("production"), "journal", door.way())  # as docs/reference/manifests.md says
    shared.release("production", built["seven"])
    shared.wait_phase("production", "Healthy", built["seven"])
    wait(lambda: ready_pods(shared) >= 2, 60, "two ready pods")
    namespace = shared.namespace("production")

    load = Load(shared, "production", [ROW], 60.0, requests_a_connection=20)
    load.wait_sent(200)
    wait(lambda: len(written(journal)) >= 100, 30, "rows while the database is there")
    door.shut()
    load.wait_sent(len(load.results) + 400)
    gone = [pod["metadata"]["name"] for pod in pods(shared)]
    for name in gone:
        kubectl("-n", namespace, "delete", "pod", name, "--wait=true")
        wait(lambda: ready_pods(shared) >= 2, 90, "a pod in its place")
    sent = {one.id for one in load.stop()}
    assert not load.failed(), load.failed()[:3]
    assert not {pod["metadata"]["name"] for pod in pods(shared)} & set(gone)
    before = written(journal)
    assert before < sent, "some rows wait on the volume"
    assert set(gone) <= folders(shared), "the folders of the pods that are gone"

    door.open()
    wait(lambda: written(journal) >= sent, 120, "every row delivered")
    assert written(journal) == sent
    wait(lambda: not set(gone) & folders(shared), 60, "the folders removed")
    print(f"{len(sent)} requests; {len(sent - before)} were delivered after their pods were gone")

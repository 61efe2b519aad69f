"""The spool's volume takes no more while the server runs: a real file system filled up, and a limit of the process."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from journal import upkeep
from tests.fixtures.servers import Postgres, Server, wait_until
from tests.integration.serving.conftest import Client, Golden, NewClient, Start
from tests.integration.serving.load import GENEROUS, holds_exactly

VOLUME_BYTES = 1 << 20
NAMESPACES = "-m" if os.geteuid() == 0 else "-rm"  # an ordinary user is root in a user namespace, where that is allowed
MOUNT = f'mkdir -p "$1" && mount -t tmpfs -o size={VOLUME_BYTES},mode=0700 spool "$1" && shift && exec "$@"'


def on_a_volume(spool: Path) -> tuple[str, ...]:
    """Return what starts a program with a small file system as its spool, in a mount namespace of its own."""
    return ("unshare", NAMESPACES, "sh", "-c", MOUNT, "sh", str(spool))


@contextmanager
def filled(server: Server, spool: Path) -> Iterator[str]:
    """Fill the server's volume to its last byte; give the words of the readiness."""
    inside = Path(f"/proc/{server.process.pid}/root{spool}")
    assert os.statvfs(inside).f_blocks * os.statvfs(inside).f_frsize == VOLUME_BYTES
    ballast = inside / "ballast"
    subprocess.run(["dd", "if=/dev/zero", f"of={ballast}", "bs=4096"], capture_output=True, check=False)  # to the end
    assert os.statvfs(inside).f_bavail == 0
    yield "No space left on device"
    ballast.unlink()


@contextmanager
def limited(server: Server, spool: Path) -> Iterator[str]:
    """Let the server's files grow no more, as a volume of files that are full."""
    before = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (16, before[1]))
    yield "a row cannot be written"
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, before)


Fill = Callable[[Server, Path], AbstractContextManager[str]]
WAYS: dict[str, tuple[Callable[[Path], tuple[str, ...]], Fill]] = {"limit": (lambda _: (), limited)}
with contextlib.suppress(OSError, subprocess.CalledProcessError):  # the limit holds the promise where nobody may mount
    subprocess.run([*on_a_volume(Path("/tmp")), "true"], check=True, capture_output=True)  # noqa: S108
    WAYS["volume"] = (on_a_volume, filled)


@pytest.fixture
def silent() -> Iterator[int]:
    """Where a server's log goes that is no file: a file would be under the limit too."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    yield descriptor
    os.close(descriptor)


@pytest.mark.long
@pytest.mark.parametrize("way", WAYS)
def test_a_full_volume_is_503_and_no_row_that_was_answered_is_lost(
    start: Start, client: NewClient, golden: Golden, own_postgres: Postgres, tmp_path: Path, silent: int, way: str
) -> None:
    url = own_postgres.new_database()
    upkeep.migrate(url)
    spool, row = tmp_path / "volume", golden["rows"][:1]
    prefix, fill = WAYS[way]
    server: Server = start(prefix=prefix(spool), output=silent, database_url=url, spool=spool, **GENEROUS)
    asker: Client = client(server)
    answers = [asker.predict(row)]
    own_postgres.kill()  # what is written stays in the spool

    def refused() -> bool:
        answers.append(asker.predict(row))
        return answers[-1].status_code != 200

    with fill(server, spool) as words:
        wait_until(refused, what="a prediction being refused")
        answers += [asker.predict(row) for _ in range(20)]
        assert {one.status_code for one in answers} == {200, 503}
        assert all(one.json()["type"].endswith(":spool-full") for one in answers if one.status_code == 503)
        wait_until(lambda: words in asker.http.get("/readyz").text, what="the readiness knowing")
        assert asker.metric("slipway_spool_failures_total", operation="write") >= 1
    own_postgres.restart()
    wait_until(lambda: asker.http.get("/readyz").status_code == 200, 30, "the spool healing by itself")
    answers.append(asker.predict(row))
    assert answers[-1].status_code == 200
    holds_exactly(url, {one.json()["request_id"] for one in answers if one.status_code == 200})

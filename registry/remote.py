"""Whether DVC's remote holds the data that a version was made of, by digest and through DVC itself.

Looks and reports, and never downloads data: of a folder it reads the list of its files. The remote is that of
SLIPWAY_DVC_REMOTE, else DVC's own for the project's folder. DVC is imported where one is declared.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from registry.provenance import Datum
from slipway import artifact
from slipway.answer import Answer
from slipway.errors import Unavailable
from slipway.redaction import without_credentials

EMBEDDED = Path("var/dvc")  # of the project's own folder, which no other machine reads
ANSWERS_AT_ONCE = 16
SHOWN = 3
CONNECT_SECONDS, READ_SECONDS = 5, 20
DELIVERY = "delivery"  # as `make data-push` calls the one of SLIPWAY_DVC_REMOTE
INSTALL = "pip install 'slipway[training]', which brings DVC"
# What a version that was registered before verdict.json listed its data records of it.
TAGS = {
    "data_md5": "data/prepared/train.parquet",
    "test_data_md5": "data/prepared/test.parquet",
    "model_md5": f"model/{artifact.GRAPH}",
}
ADD = "dvc remote add --default NAME URL && dvc push"


class State(Enum):
    """What is known; only `MISSING` and `UNANSWERED` keep a version from production."""

    HELD = "held"
    MISSING = "missing"
    UNANSWERED = "unanswered"
    NOT_CHECKED = "not checked"


ORDER = (State.HELD, State.NOT_CHECKED, State.MISSING, State.UNANSWERED)


@dataclass(frozen=True)
class Held:
    """The state of a version's data, and the reason in words."""

    state: State
    reason: str

    @property
    def answer(self) -> Answer | None:
        """Return whether the remote has the data; None where the question does not apply."""
        if self.state is State.NOT_CHECKED:
            return None
        return Answer(None if self.state is State.UNANSWERED else self.state is State.HELD, self.reason)


@dataclass(frozen=True)
class Project:
    """The folder whose DVC settings count, the top of its repository, and an address that counts before them."""

    folder: Path
    top: Path
    url: str | None = None


NOTHING = Held(State.NOT_CHECKED, "no DVC remote is configured, so others cannot get the data")


def held(project: Project, data: tuple[Datum, ...] | None, tags: dict[str, str], commit: str | None = None) -> Held:
    """Look for each digest of `data`, or of the tags where a version lists none, in the remote that it belongs to."""
    folders = (project.folder.resolve(), *project.folder.resolve().parents)
    if not project.url and not any((each / ".dvc").is_dir() for each in folders):
        return NOTHING
    needed = data if data is not None else tuple(Datum(path, tags[tag]) for tag, path in TAGS.items() if tags.get(tag))
    try:
        return _asked(project, needed, commit)
    except Unavailable as error:
        return Held(State.UNANSWERED, f"{error.thing}: {error.found}")


def _asked(project: Project, needed: tuple[Datum, ...], commit: str | None) -> Held:
    with tempfile.TemporaryDirectory(prefix="slipway-remote-") as temporary:
        repo = _repository(project, temporary)
        try:
            default = repo.config["core"].get("remote") or ""
            names = sorted({one.remote or default for one in needed} | {default})
            found = [
                _in(repo, project, name, [one for one in needed if (one.remote or default) == name], commit)
                if name
                else Held(State.NOT_CHECKED, _unset(repo.config["remote"]))
                for name in names
            ]
        finally:
            repo.close()
    worst = max(found, key=lambda one: ORDER.index(one.state)).state
    return Held(worst, "; ".join(one.reason for one in found if one.state is worst))


def _repository(project: Project, temporary: str) -> Any:
    try:
        from dvc.exceptions import DvcException
        from dvc.repo import Repo
    except ImportError as error:
        raise Unavailable(
            "DVC is not installed, so its remote cannot be asked",
            expected="the extra `training`",
            found=str(error),
            hint=INSTALL,
        ) from error
    # What DVC remembers of remotes is not asked, and a read-only machine can look too.
    settings: dict[str, Any] = {"core": {"site_cache_dir": temporary}}
    if project.url:
        settings["core"]["remote"] = DELIVERY
        settings["remote"] = {DELIVERY: {"url": project.url}}
    try:
        repo = Repo(str(project.folder), uninitialized=True, config=settings)
    except (DvcException, OSError) as error:
        raise Unavailable("DVC cannot read its settings", found=_line(error), hint="dvc config --list") from error
    for remote in repo.config["remote"].values():
        if str(remote.get("url")).startswith(("s3://", "http://", "https://")):
            remote.setdefault("connect_timeout", CONNECT_SECONDS)
            remote.setdefault("read_timeout", READ_SECONDS)
    return repo


def _unset(remotes: dict[str, Any]) -> str:
    if not remotes:
        return f"{NOTHING.reason}; {ADD}"
    return f"DVC has no default remote among {', '.join(sorted(remotes))}; dvc remote default NAME && dvc push"


def _in(repo: Any, project: Project, name: str, needed: list[Datum], commit: str | None) -> Held:
    def look() -> Held:
        remote = repo.cloud.get_remote(name or None)
        where = f"the DVC remote {name} ({without_credentials(remote.fs.unstrip_protocol(remote.path))})"
        if remote.worktree or remote.fs.version_aware:
            return Held(State.NOT_CHECKED, f"{where} keeps versions of the cloud's own, and no digests to look for")
        if remote.fs.protocol == "local" and Path(remote.path).resolve() == (project.top / EMBEDDED).resolve():
            reason = f"no DVC remote but {EMBEDDED} of this folder is configured, so others cannot get the data"
            return Held(State.NOT_CHECKED, f"{reason}; {ADD}")
        lacks = _missing(remote, needed)
        if not lacks:
            return Held(State.HELD, f"{where} has all {len(needed)} outputs" if needed else "all data is in Git")
        listed = ", ".join(lacks[:SHOWN]) + (f" and {len(lacks) - SHOWN} more" if len(lacks) > SHOWN else "")
        at = f" at commit {commit[:12]}" if commit else ""
        return Held(State.MISSING, f"{where} has no {listed}; run dvc push where it was made, or dvc repro{at} first")

    return _answered(name, look)


def _answered(name: str, look: Callable[[], Held]) -> Held:
    try:
        return look()
    except Exception as error:  # noqa: BLE001 - DVC lets botocore, aiohttp, paramiko and OSError through
        return Held(State.UNANSWERED, f"the DVC remote {name} does not answer: {_line(error)}")


def _missing(remote: Any, needed: Iterable[Datum]) -> list[str]:
    """Return what the remote lacks, a folder's files one by one."""
    with ThreadPoolExecutor(ANSWERS_AT_ONCE) as pool:
        files = [file for each in pool.map(lambda one: _files(remote, one), needed) for file in each]
        there = list(pool.map(lambda file: _has(_store(remote, file), file.md5), files))
    return [f"{file.path} (md5 {file.md5})" for file, found in zip(files, there, strict=True) if not found]


def _files(remote: Any, one: Datum) -> list[Datum]:
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree

    store = _store(remote, one)
    if not one.md5.endswith(".dir") or not _has(store, one.md5):
        return [one]
    tree = Tree.load(store, HashInfo(store.hash_name, one.md5))
    inside = [Datum(f"{one.path}/{'/'.join(key)}", str(md5.value), one.remote, one.hash) for key, _, md5 in tree]
    return [one, *inside]


def _store(remote: Any, one: Datum) -> Any:
    return remote.legacy_odb if one.hash == "md5-dos2unix" else remote.odb


def _has(store: Any, md5: str) -> bool:
    path = store.oid_to_path(md5)
    if store.fs.protocol in ("http", "https"):  # any other question takes an error of the server for a no
        return bool(store.fs.fs.exists(path, strict=True))
    try:
        store.fs.info(path)
    except FileNotFoundError:
        return False
    return True


def _line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return without_credentials(f"{type(error).__name__}: {lines[0][:300]}".rstrip(": "))

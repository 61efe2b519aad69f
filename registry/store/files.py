"""The files behind a version: in a folder, behind MLflow's server, in S3; elsewhere MLflow's client reaches them."""

from __future__ import annotations

import functools
import posixpath
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, unquote, urlsplit

if TYPE_CHECKING:
    import requests

    from registry.store.rest import Server

PROXIED = "/api/2.0/mlflow-artifacts/artifacts"
CHUNK_BYTES = 1 << 20


class Files(Protocol):
    """The folder of a version's files."""

    def names(self, *, folders: bool = False) -> list[str]:
        """Return the names of the files in it, or of the folders."""

    def download(self, file: str, folder: Path) -> Path:
        """Download one file of it into `folder`; return where it is now."""


@dataclass(frozen=True)
class LocalFiles:
    """A folder of this machine."""

    path: Path

    def names(self, *, folders: bool = False) -> list[str]:
        if not self.path.is_dir():
            return []
        return sorted(each.name for each in self.path.iterdir() if each.is_dir() == folders)

    def download(self, file: str, folder: Path) -> Path:
        source = self.path / file
        if source.is_symlink() or source.is_dir():
            return source  # the caller refuses what is not a plain file
        return Path(shutil.copyfile(source, folder / file))


@dataclass(frozen=True)
class ProxiedFiles:
    """A folder behind MLflow's server, which passes its files on."""

    server: Server
    path: str

    def names(self, *, folders: bool = False) -> list[str]:
        response = self.server.ask("GET", PROXIED, params={"path": self.path})
        _raise_for_status(response)
        rows = response.json().get("files", [])
        return sorted(row["path"] for row in rows if bool(row.get("is_dir")) == folders)

    def download(self, file: str, folder: Path) -> Path:
        response = self.server.ask("GET", f"{PROXIED}/{quote(posixpath.join(self.path, file))}", stream=True)
        _raise_for_status(response)
        target = folder / file
        with target.open("wb") as content:
            for chunk in response.iter_content(CHUNK_BYTES):
                content.write(chunk)
        return target


@dataclass(frozen=True)
class ClientFiles:
    """A folder that only MLflow's client reaches, as in Azure or at Google."""

    location: str
    uri: str

    def names(self, *, folders: bool = False) -> list[str]:
        self._open()
        from mlflow.artifacts import list_artifacts

        rows = list_artifacts(self.location, tracking_uri=self.uri)
        return sorted(row.path.rpartition("/")[2] for row in rows if bool(row.is_dir) == folders)

    def download(self, file: str, folder: Path) -> Path:
        self._open()
        from mlflow.artifacts import download_artifacts

        source = f"{self.location}/{file}"
        return Path(download_artifacts(artifact_uri=source, dst_path=str(folder), tracking_uri=self.uri))

    def _open(self) -> None:
        from registry.store import client

        client.opened(self.uri)  # an address such as runs:/ is looked up in the global store


@dataclass(frozen=True)
class FilePlaces:
    """Opens the folder of an address, of the store at `uri` or behind its `server`."""

    uri: str
    server: Server | None
    environment: Mapping[str, str] = field(repr=False)

    def __call__(self, location: str) -> Files:
        """Return the files at `location`."""
        parts = urlsplit(location)
        if parts.scheme == "file" and parts.netloc in ("", "localhost"):
            return LocalFiles(Path(unquote(parts.path)))
        if not parts.scheme and location.startswith("/"):
            return LocalFiles(Path(location))
        if parts.scheme == "mlflow-artifacts" and self.server is not None and not parts.netloc:
            return ProxiedFiles(self.server, parts.path.strip("/"))
        if parts.scheme == "s3":
            from registry.store import s3

            return s3.files(location, self._s3, self.environment)
        return ClientFiles(location, self.uri)

    @functools.cached_property
    def _s3(self) -> Any:
        from registry.store import s3

        return s3.client(self.environment)


def _raise_for_status(response: requests.Response) -> None:
    import requests

    try:
        response.raise_for_status()
    except requests.HTTPError as error:
        raise requests.HTTPError(f"{error}. {response.text[:200]}", request=error.request, response=response) from error

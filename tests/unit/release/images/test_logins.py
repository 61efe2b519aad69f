from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from release.images.logins import files, logins
from slipway.errors import BadInput, SlipwayError, Unavailable

HOST = "registry.example.org"
ADA, BOB = (base64.b64encode(f"{name}:secret-of-{name}".encode()).decode() for name in ("ada", "bob"))


def written(place: Path, said: Any) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(said))
    return place


def helper(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    place = folder / "bin/docker-credential-tests"
    place.parent.mkdir()
    place.write_text(f"#!/bin/sh\n{script}\n")
    place.chmod(0o755)
    monkeypatch.setenv("PATH", str(place.parent), prepend=":")


def test_the_first_file_that_knows_a_host_counts(tmp_path: Path) -> None:
    environment = {"REGISTRY_AUTH_FILE": str(tmp_path / "named.json"), "HOME": str(tmp_path)}
    written(tmp_path / "named.json", {"auths": {HOST: {"auth": ADA}}})
    written(
        tmp_path / ".docker/config.json", {"auths": {HOST: {"auth": BOB}, "https://index.docker.io/v1/": {"auth": BOB}}}
    )
    login = logins(files(environment))
    assert (login(HOST), login("docker.io"), login("other.example.org")) == (ADA, BOB, None)


def test_no_file_and_an_empty_one_are_nobody(tmp_path: Path) -> None:
    (tmp_path / "empty.json").touch()
    assert logins([tmp_path / "none.json", tmp_path / "empty.json"])(HOST) is None


@pytest.mark.parametrize("said", [[], {"auths": {HOST: {"auth": "no base 64"}}}, {"auths": {HOST: "x"}}])
def test_a_file_that_holds_something_else_is_bad_input(tmp_path: Path, said: object) -> None:
    with pytest.raises(BadInput, match="holds no logins"):
        logins([written(tmp_path / "config.json", said)])(HOST)


def test_an_identity_token_is_refused_and_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = written(tmp_path / "config.json", {"auths": {HOST: {"identitytoken": "secret-of-ada"}}})
    with pytest.raises(BadInput, match="identity token") as direct:
        logins([place])(HOST)
    helper(tmp_path, monkeypatch, """echo '{"Username": "<token>", "Secret": "secret-of-ada"}'""")
    with pytest.raises(BadInput, match="identity token") as helped:
        logins([written(place, {"credsStore": "tests"})])(HOST)
    assert "secret-of-ada" not in f"{direct.value}{helped.value}"


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("echo 'credentials not found in native keychain'; exit 1", None),
        ("echo 'the keychain is locked: secret-of-ada'; exit 1", Unavailable),
        ("echo 'secret-of-ada'", Unavailable),
        ("""echo '["secret-of-ada"]'""", Unavailable),
    ],
)
def test_a_helper_that_knows_nobody_is_nobody_and_one_that_fails_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, error: type[SlipwayError] | None
) -> None:
    helper(tmp_path, monkeypatch, script)
    login = logins([written(tmp_path / "config.json", {"credHelpers": {HOST: "tests"}})])
    if error is None:
        assert login(HOST) is None
        return
    with pytest.raises(error) as raised:
        login(HOST)
    assert "secret-of-ada" not in str(raised.value)


@pytest.mark.parametrize("name", ["not-there", "../bin/sh", "a b"])
def test_a_helper_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(SlipwayError, match="credential helper"):
        logins([written(tmp_path / "config.json", {"credsStore": name})])(HOST)

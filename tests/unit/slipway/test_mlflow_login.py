"""The login that MLflow's client would send, for each way to give one."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow.utils.credentials import read_mlflow_creds

from slipway.mlflow_login import PASSWORD, TOKEN, USER, Login, login

KEPT = "[mlflow]\nmlflow_tracking_username = kept\nmlflow_tracking_password = 50%of\n"


@pytest.mark.parametrize("set_", [{}, {USER: "ann"}, {USER: "ann", PASSWORD: "p"}, {USER: ""}])
@pytest.mark.parametrize("kept", ["", "[other]\na = b\n", KEPT.replace("%", "")])
def test_it_is_the_login_of_mlflows_own_client(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, set_: dict[str, str], kept: str
) -> None:
    (tmp_path / ".mlflow").mkdir()
    if kept:
        (tmp_path / ".mlflow/credentials").write_text(kept)
    for name in (USER, PASSWORD, TOKEN):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**set_, "HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    own = read_mlflow_creds()
    ours = login()
    assert (ours.username or None, ours.password or None) == (own.username or None, own.password or None)


def test_a_password_in_the_file_may_hold_a_percent_sign(tmp_path: Path) -> None:
    (tmp_path / ".mlflow").mkdir()
    (tmp_path / ".mlflow/credentials").write_text(KEPT)
    assert login({"HOME": str(tmp_path)}) == Login("kept", "50%of")


@pytest.mark.parametrize(
    ("given", "header", "described"),
    [
        (Login("ann", "p"), "Basic YW5uOnA=", "the user `ann`"),
        (Login("ann", "p", "t"), "Basic YW5uOnA=", "the user `ann`"),
        (Login(token="t"), "Bearer t", f"the token in {TOKEN}"),
        (Login("ann"), None, f"{USER} without {PASSWORD}: MLflow's client then sends no login"),
        (Login(password="p"), None, f"{PASSWORD} without {USER}: MLflow's client then sends no login"),
        (Login(), None, f"no login: {USER} and {PASSWORD} are not set"),
    ],
)
def test_what_is_sent_is_described_without_its_secret(given: Login, header: str | None, described: str) -> None:
    assert given.headers().get("Authorization") == header
    assert given.described("http://mlflow.example") == described
    assert "'p'" not in repr(given)


def test_a_login_in_the_address_is_described() -> None:
    assert Login().described("http://***@mlflow.example") == "the login in MLFLOW_TRACKING_URI"

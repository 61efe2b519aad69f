from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from devstack import credentials, files, page, plan, services, supervision
from slipway.errors import BadInput, Refused


def test_credentials_are_made_once_by_chance_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    first, other = credentials.ensure(tmp_path / "a"), credentials.ensure(tmp_path / "b")
    assert credentials.ensure(tmp_path / "a") == first
    same = {name for name, value in dataclasses.asdict(first).items() if getattr(other, name) == value}
    assert same == {"postgres_user"}
    assert (tmp_path / "a" / credentials.FILE).stat().st_mode & 0o777 == 0o600


def test_credentials_that_others_may_read_are_refused(tmp_path: Path) -> None:
    credentials.ensure(tmp_path)
    (tmp_path / credentials.FILE).chmod(0o640)
    with pytest.raises(Refused, match="chmod 600"):
        credentials.ensure(tmp_path)


def test_a_broken_file_is_never_replaced_by_new_passwords(tmp_path: Path) -> None:
    credentials.write_private(tmp_path / credentials.FILE, "{")
    with pytest.raises(BadInput, match="does not hold the credentials"):
        credentials.ensure(tmp_path)


def test_no_password_stands_in_a_command_or_on_the_page(tmp_path: Path) -> None:
    made = plan.make(tmp_path, tmp_path, "tiny", {})
    described = services.services(made, files.postgres_programs(), None)
    said = page.write(made, [service.name for service in described]).read_text()
    said += " ".join(" ".join(service.command) for service in described)
    values = dataclasses.asdict(made.credentials)
    assert not [name for name, value in values.items() if name != "postgres_user" and value in said]


def test_ports_stay_as_they_were_chosen_first(tmp_path: Path) -> None:
    plan.write(plan.make(tmp_path, tmp_path, "tiny", {"redis": 7000}))
    assert plan.make(tmp_path, tmp_path, "tiny", {"s3": 7001}).ports == plan.PORTS | {"redis": 7000, "s3": 7001}
    assert plan.read(tmp_path).ports["redis"] == 7000


def test_a_percent_sign_reaches_a_server_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "100%(real)s"
    made = plan.make(folder, folder, "tiny", {})
    service = services.Service("one", 0, ("true", "50%"), {"A": "5%"})
    text = supervision.configuration(made, [service])
    assert not re.search(r"(?<!%)%(?!%)", text)
    assert 'A="5%%"' in text

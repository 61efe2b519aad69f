"""Every list of rooms in pyproject.toml is the same one, and is what the checkout holds."""

from __future__ import annotations

from tools.rooms import PROJECT, ROOMS, ROOT


def test_every_tool_of_the_project_looks_at_every_room() -> None:
    tool = PROJECT["tool"]
    assert set(tool["coverage"]["run"]["source"]) == set(ROOMS)
    assert set(tool["mypy"]["packages"]) == {*ROOMS, "tests", "tools", "benchmarks"}


def test_the_wheel_carries_every_room_but_the_example_below_its_one_package() -> None:
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    carried = set(ROOMS) - {"slipway", "flights"}
    assert set(wheel["only-include"]) == {"slipway", *carried}
    assert wheel["sources"] == {room: f"slipway/rooms/{room}" for room in carried}


def test_every_package_of_the_checkout_is_a_room() -> None:
    there = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert there - {"tools", "benchmarks", "tests"} == set(ROOMS)


def test_the_example_s_contract_and_that_of_shared_modules_forbid_every_other_room() -> None:
    contracts = {one["name"]: one for one in PROJECT["tool"]["importlinter"]["contracts"]}
    shared = contracts["What every room uses knows no room"]
    assert set(shared["forbidden_modules"]) == {*ROOMS, "slipway.cli"} - {"slipway"}
    own = {f"slipway.{path.stem}" for path in (ROOT / "slipway").glob("*.py")}
    own |= {f"slipway.{path.parent.name}" for path in (ROOT / "slipway").glob("*/__init__.py")}
    assert set(shared["source_modules"]) == own - {"slipway.cli", "slipway.__main__", "slipway.__init__"}

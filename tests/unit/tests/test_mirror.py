"""The unit tests mirror the product: a module's tests are found by its name alone."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]
UNIT = ROOT / "tests/unit"

# A folder of tests that is called otherwise than what it tests, and why.
FOLDERS = {"delivery": ".github", "structure": "."}  # a package's name begins with no dot; all rooms

# Folders that hold no modules of the product: tests are named for what they measure.
NO_MODULES = {"delivery": "workflows", "docs": "pages", "structure": "every module", "tests": "the tests themselves"}

# A file of tests that is named for a behaviour of several modules, and which.
OF_SEVERAL = {
    "image/test_refusals.py": "what every step of a build refuses: build, context, engine, sbom, rootfs",
    "serving/test_edges.py": "one value through every reader: validation, tensors, openinference, scoring, journal",
}


def product_folder(folder: str) -> Path:
    """Return the folder of the product that a folder of unit tests is about."""
    first, *rest = folder.split("/")
    return ROOT.joinpath(FOLDERS.get(first, first), *rest)


def modules(folder: Path) -> set[str]:
    """Name what a test file of a folder may be named for."""
    return {path.stem.strip("_") for path in folder.glob("*.py")} | {
        path.name for path in folder.iterdir() if path.is_dir()
    }


def astray(files: list[str]) -> list[str]:
    """Return the files of tests whose folder is not in the product, or whose name is of no module there."""
    wrong = []
    for file in files:
        place, _, name = file.rpartition("/")
        folder = product_folder(place)
        if not folder.is_dir():
            wrong.append(f"{file}: there is no folder {folder.relative_to(ROOT)}")
        elif place not in NO_MODULES and not any(
            name == f"test_{module}.py" or name.startswith(f"test_{module}_") for module in modules(folder)
        ):
            wrong.append(f"{file}: {folder.relative_to(ROOT)} has no module of that name")
    return wrong


def test_every_file_of_unit_tests_is_where_its_module_is() -> None:
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*/test_*.py"],
                            cwd=UNIT, check=True, capture_output=True, text=True).stdout.split()  # fmt: skip
    files = [file for file in listed if (UNIT / file).exists()]
    assert len(files) > 50
    assert astray([file for file in files if file not in OF_SEVERAL]) == []
    named = [file for file in OF_SEVERAL if not astray([file])]
    assert not named, "named after a module: take it off the list"


def test_a_file_in_the_wrong_place_is_seen() -> None:
    assert astray(["serving/http/test_connection.py", "delivery/test_anything.py", "registry/test_gate_brier.py"]) == []
    assert astray(["serving/test_connection.py"]) == ["serving/test_connection.py: serving has no module of that name"]
    assert astray(["acts/test_promote.py"]) == ["acts/test_promote.py: there is no folder acts"]

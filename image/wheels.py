"""Requirements narrowed to the wheels that fit the image: what else a hash could let in is left out.

`uv export` writes the hash of every file of a release, for every Python and system and of the sources: ten times of
what an installation may use. A list that names only fitting wheels refuses everything else by its hash.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from slipway.errors import BadInput

HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})")
MACHINES = ("x86_64", "aarch64")
OLD_NAMES = ("manylinux1", "manylinux2010", "manylinux2014", "linux")


def narrowed(requirements: str, lock: str, python: tuple[int, int], newest_glibc: int) -> str:
    """Return `requirements` (uv export) with the hashes of wheels for `python` on Linux with glibc 2.`newest_glibc`.

    `lock` is the text of uv.lock.

    Raises:
        BadInput: a package has no wheel that fits.
    """
    fitting = _fitting(lock, _tags(python, newest_glibc))
    lines = []
    for block in re.split(r"\n(?=\S)", requirements.strip()):
        requirement = block.partition(" \\\n")[0].strip()
        hashes = [found for found in HASH.findall(block) if found in fitting]
        if HASH.search(block) and not hashes:
            raise BadInput(
                f"{requirement} has no wheel for Python {'.'.join(map(str, python))} on Linux",
                expected=f"a wheel for glibc 2.{newest_glibc} or older in uv.lock",
                found="wheels for others, or sources alone",
                hint="lock another version of it: uv lock --upgrade-package NAME",
            )
        lines.append(" ".join([requirement, *(f"--hash={name}" for name in sorted(hashes))]))
    return "\n".join(lines) + "\n"


def _fitting(lock: str, tags: frozenset[Tag]) -> set[str]:
    wheels = [wheel for package in tomllib.loads(lock)["package"] for wheel in package.get("wheels", [])]
    return {wheel["hash"] for wheel in wheels if tags & _tags_of(wheel.get("url") or wheel.get("path", ""))}


def _tags_of(url: str) -> frozenset[Tag]:
    try:
        return parse_wheel_filename(url.rpartition("/")[2].replace("%2B", "+"))[3]
    except InvalidWheelFilename:
        return frozenset()


def _tags(python: tuple[int, int], newest_glibc: int) -> frozenset[Tag]:
    platforms = list(_platforms(newest_glibc))
    interpreter = "cp" + "".join(map(str, python))
    compiled = cpython_tags(python, platforms=platforms, abis=[interpreter])
    return frozenset([*compiled, *compatible_tags(python, interpreter, platforms)])


def _platforms(newest_glibc: int) -> Iterator[str]:
    for machine in MACHINES:
        yield from (f"manylinux_2_{minor}_{machine}" for minor in range(newest_glibc, 4, -1))
        yield from (f"{name}_{machine}" for name in OLD_NAMES)

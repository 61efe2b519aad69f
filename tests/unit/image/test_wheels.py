"""Requirements for the Bento: the wheels that fit the image, and no other file."""

from __future__ import annotations

from pathlib import Path

import pytest

from image import context, wheels
from slipway.errors import BadInput

ROOT = Path(__file__).parents[3]
FILES = {
    "a" * 64: "speed-1.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "b" * 64: "speed-1.0-cp311-cp311-manylinux_2_28_aarch64.whl",
    "c" * 64: "speed-1.0-cp39-abi3-manylinux_2_5_x86_64.whl",
    "d" * 64: "speed-1.0-py3-none-any.whl",
    "1" * 64: "speed-1.0-cp312-cp312-manylinux_2_17_x86_64.whl",
    "2" * 64: "speed-1.0-cp311-cp311-macosx_11_0_arm64.whl",
    "3" * 64: "speed-1.0-cp311-cp311-win_amd64.whl",
    "4" * 64: "speed-1.0-cp311-cp311-manylinux_2_34_x86_64.whl",
    "5" * 64: "speed-1.0-cp311-cp311-musllinux_1_2_x86_64.whl",
}
FITTING = [digest for digest in FILES if digest[0].isalpha()]
SOURCES = "9" * 64


def lock(files: dict[str, str]) -> str:
    lines = [
        f'    {{ url = "https://files.example/{name}", hash = "sha256:{digest}" }},' for digest, name in files.items()
    ]
    return "\n".join(
        ["[[package]]", 'name = "speed"', 'version = "1.0"', f'sdist = {{ hash = "sha256:{SOURCES}" }}', "wheels = [",
         *lines, "]"]
    )  # fmt: skip


def exported(digests: list[str]) -> str:
    return "speed==1.0 ; sys_platform == 'linux'" + "".join(f" \\\n    --hash=sha256:{one}" for one in digests) + "\n"


def test_only_wheels_for_this_python_and_this_glibc_are_kept() -> None:
    found = wheels.narrowed(exported([*FILES, SOURCES]), lock(FILES), (3, 11), 28)
    kept = " ".join(f"--hash=sha256:{digest}" for digest in FITTING)
    assert found == f"speed==1.0 ; sys_platform == 'linux' {kept}\n"


def test_a_package_without_a_fitting_wheel_is_refused() -> None:
    others = {digest: name for digest, name in FILES.items() if digest not in FITTING}
    with pytest.raises(BadInput, match=r"speed==1\.0 .*has no wheel for Python 3\.11") as raised:
        wheels.narrowed(exported([*others, SOURCES]), lock(others), (3, 11), 28)
    assert raised.value.hint


def test_the_bentos_own_packages_have_wheels_and_hashes() -> None:
    text = wheels.narrowed(context.export_requirements(ROOT, "bento"), (ROOT / "uv.lock").read_text(), (3, 11), 28)
    lines = {line.partition("==")[0]: line for line in text.splitlines()}
    assert {"bentoml", "onnxruntime", "uvicorn"} <= lines.keys()
    assert not lines.keys() & {"scikit-learn", "mlflow", "dask"}
    assert all("--hash=sha256:" in line for line in lines.values())

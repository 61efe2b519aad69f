"""The versions that compute the model, in libraries.txt: an upgrade makes `dvc repro` train again.

DVC sees files, not installed packages. `make libraries` writes the file anew
after uv.lock has changed; a test fails until that is done.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from slipway.atomic import write_bytes

FILE = Path(__file__).with_name("libraries.txt")
LIBRARIES = ("numpy", "onnx", "onnxruntime", "pandas", "pyarrow", "scikit-learn", "scipy", "skl2onnx", "skops")


def installed() -> str:
    """List the installed versions, one a line."""
    return "".join(f"{name}=={version(name)}\n" for name in LIBRARIES)


if __name__ == "__main__":
    write_bytes(FILE, installed().encode())

import json
import subprocess
import sys
from pathlib import Path

import pytest

from slipway.atomic import replacing, write_json
from slipway.errors import Unavailable

WRITER = """
import resource, sys
from pathlib import Path
from slipway.atomic import write_bytes
from slipway.errors import SlipwayError
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_bytes(Path(sys.argv[1]), b"new" * 1000)
except SlipwayError as error:
    print(error)
    sys.exit(error.exit_code)
"""


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "model.onnx"
    target.write_bytes(b"old")
    ran = subprocess.run([sys.executable, "-c", WRITER, target], capture_output=True, text=True, check=False)
    assert ran.returncode == 5
    assert f"cannot write {target}" in ran.stdout
    assert "df -h" in ran.stdout
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_an_error_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "table"
    target.write_text("old")

    def fail_half_way() -> None:
        with replacing(target) as temporary:
            temporary.write_text("ne")
            raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        fail_half_way()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    write_json(tmp_path / "deep" / "a.json", {"ü": 1.5})
    assert json.loads((tmp_path / "deep" / "a.json").read_text()) == {"ü": 1.5}


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("")
    with pytest.raises(Unavailable, match="cannot write"):
        write_json(tmp_path / "folder" / "a.json", {})


def test_nan_is_not_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert list(tmp_path.iterdir()) == []

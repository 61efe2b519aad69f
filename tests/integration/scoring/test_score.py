"""`slipway score` on real files and a real model."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest

from serving.inference import model as served

Score = Callable[..., "subprocess.CompletedProcess[str]"]
Write = Callable[..., Path]
Command = Callable[..., list[str]]


def wait_for(path: Path, process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    ends = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, f"it ended before {path} was there"
        assert time.monotonic() < ends
        time.sleep(0.005)


@pytest.mark.long
def test_every_row_has_the_models_probability(score: Score, write_rows: Write, model: Path, tmp_path: Path) -> None:
    source, target = write_rows(3, 500), tmp_path / "out.parquet"
    done = score(source, target, "--model", model, "--json", "--part-rows", 600, "--workers", 2)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["rows"], said["bad"], said["parts"], said["version"]) == (1500, 0, 2, "7")
    rows, found = pq.read_table(source).to_pylist(), pq.read_table(target).to_pylist()
    loaded = served.load(model)
    expected = loaded.scores(*served.rows_to_arrays(rows, loaded.schema))
    assert [row["row_id"] for row in found] == [row["row_id"] for row in rows]
    np.testing.assert_allclose([row["probability"] for row in found], expected, atol=1e-6)
    assert {row["model_version"] for row in found} == {"7"}
    assert not (tmp_path / "out.parquet.parts").exists()


@pytest.mark.long
def test_bad_rows_are_written_with_a_reason_and_counted(
    score: Score, write_rows: Write, model: Path, tmp_path: Path
) -> None:
    source, target = write_rows(2, 500, bad=2), tmp_path / "out.parquet"
    done = score(source, target, "--model", model, "--json", "--max-bad", "0.004")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["bad"] == 4
    bad = [row for row in pq.read_table(target).to_pylist() if row["reason"]]
    assert [row["row_id"] for row in bad] == ["r0", "r1", "r500", "r501"]
    assert bad[0]["probability"] is None
    assert bad[0]["reason"] == "distance: expected integer from 0 to 6000, found 99999"
    again = score(source, target, "--model", model, "--json", "--max-bad", "0.004")
    assert json.loads(again.stdout)["nothing_to_do"] is True
    assert json.loads(again.stdout)["bad"] == 4


@pytest.mark.long
def test_past_the_limit_of_bad_rows_it_fails_and_keeps_the_parts(
    score: Score, write_rows: Write, model: Path, tmp_path: Path
) -> None:
    source, target = write_rows(2, 500, bad=2), tmp_path / "out.parquet"
    failed = score(source, target, "--model", model, "--max-bad", "0.0039")
    assert failed.returncode == 3
    assert "too many bad rows" in failed.stderr
    assert "row r0: distance: expected integer" in failed.stderr
    assert not target.exists()
    assert score(source, target, "--model", model, "--max-bad", "0.01").returncode == 0


@pytest.mark.long
def test_killed_and_run_again_it_gives_the_same_bytes(
    score: Score, command: Command, write_rows: Write, model: Path, tmp_path: Path
) -> None:
    source, whole, cut = write_rows(12, 8000, bad=1), tmp_path / "whole.parquet", tmp_path / "cut.parquet"
    options = ("--model", model, "--part-rows", 8000)
    assert score(source, whole, *options, "--workers", 1).returncode == 0
    parts = tmp_path / "cut.parquet.parts"
    for number in (0, 4):
        process = subprocess.Popen(command(source, cut, *options, "--workers", 2))
        wait_for(parts / f"part-{number:06d}.parquet", process)
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        _, alive = psutil.wait_procs(children, timeout=20)
        assert not alive, "scoring processes outlive the command"
        assert not cut.exists()
    kept = {path.name: path.stat().st_mtime_ns for path in parts.glob("part-*.parquet")}
    assert 0 < len(kept) < 12
    process = subprocess.Popen(command(source, cut, *options, "--workers", 2))
    wait_for(parts / "part-000011.parquet", process)
    same = {path.name: path.stat().st_mtime_ns for path in parts.glob("part-*.parquet") if path.name in kept}
    assert process.wait() == 0
    assert same.items() <= kept.items(), "a part that was done was scored again"
    assert cut.read_bytes() == whole.read_bytes()


@pytest.mark.long
def test_memory_does_not_grow_with_the_file(command: Command, write_rows: Write, model: Path, tmp_path: Path) -> None:
    peaks = []
    for rows in (200_000, 1_600_000):  # the larger one is a single row group
        source = write_rows(1, rows, name=f"{rows}.parquet")
        words = command(source, tmp_path / f"out-{rows}.parquet", "--model", model, "--workers", 1)
        process = psutil.Popen(words, stderr=subprocess.DEVNULL)
        peaks.append(_peak_bytes(process))
        assert process.wait() == 0
    in_memory = pq.read_table(source).nbytes
    assert peaks[1] - peaks[0] < in_memory / 4, f"{peaks}, the file in memory is {in_memory}"


def _peak_bytes(process: psutil.Popen) -> int:
    peak = 0
    while process.poll() is None:
        try:
            peak = max(peak, process.memory_info().rss)
        except psutil.NoSuchProcess:
            break
        time.sleep(0.01)
    return peak


@pytest.mark.long
def test_parts_of_another_job_are_refused_until_restart(
    score: Score, command: Command, write_rows: Write, model: Path, tmp_path: Path
) -> None:
    source, other, target = write_rows(2, 100, bad=9), write_rows(2, 101, name="b.parquet"), tmp_path / "out.parquet"
    assert score(source, target, "--model", model).returncode == 3  # too many bad rows: the parts stay
    refused = score(other, target, "--model", model)
    assert refused.returncode == 3
    assert "parts of another job" in refused.stderr
    assert "--restart" in refused.stderr
    assert score(other, target, "--model", model, "--restart").returncode == 0
    assert pq.read_metadata(target).num_rows == 202


@pytest.mark.long
def test_a_changed_input_is_scored_anew(score: Score, write_rows: Write, model: Path, tmp_path: Path) -> None:
    source, target = write_rows(1, 100), tmp_path / "out.parquet"
    assert score(source, target, "--model", model).returncode == 0
    write_rows(1, 90)
    assert score(source, target, "--model", model).returncode == 0
    assert pq.read_metadata(target).num_rows == 90


@pytest.mark.long
def test_what_cannot_be_scored_is_named(score: Score, write_rows: Write, model: Path, tmp_path: Path) -> None:
    text = tmp_path / "in.csv"
    text.write_text("a,b\n")
    tampered = shutil.copytree(model, tmp_path / "model")
    (tampered / "model.onnx").write_bytes(b"\x80\x04.")
    target = tmp_path / "out.parquet"
    source = write_rows(1, 10)
    for words, code, said in (
        ((text, target, "--model", model), 3, "in.csv cannot be read"),
        ((source, source, "--model", model), 3, "would overwrite its input"),
        ((source, target, "--model", tampered), 4, "is not the file that was exported"),
        ((source, target, "--model", "nothing"), 3, "nothing has no version @champion"),
        ((tmp_path / "gone.parquet", target, "--model", model), 3, "gone.parquet cannot be read"),
        ((source, target, "--model", model, "--scheduler", "tcp://127.0.0.1:9"), 5, "no Dask scheduler answers"),
    ):
        done = score(*words)
        assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert not target.exists()


@pytest.mark.long
def test_rows_without_a_key_are_numbered(score: Score, write_rows: Write, model: Path, tmp_path: Path) -> None:
    source = write_rows(2, 50)
    pq.write_table(pq.read_table(source).drop_columns("row_id"), tmp_path / "plain.parquet", row_group_size=30)
    assert (
        score(tmp_path / "plain.parquet", tmp_path / "out.parquet", "--model", model, "--part-rows", 30).returncode == 0
    )
    assert pq.read_table(tmp_path / "out.parquet")["row"].to_pylist() == list(range(100))


def test_an_empty_file_gives_an_empty_result(score: Score, write_rows: Write, model: Path, tmp_path: Path) -> None:
    source = write_rows(1, 10)
    pq.write_table(pq.read_table(source).slice(0, 0), tmp_path / "empty.parquet")
    assert score(tmp_path / "empty.parquet", tmp_path / "out.parquet", "--model", model).returncode == 0
    assert pq.read_metadata(tmp_path / "out.parquet").num_rows == 0

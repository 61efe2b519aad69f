"""`slipway register`: from the artifact to exactly one judged version, run twice or killed anywhere.

What makes a registration the same one is its key. Everything is computed
before the first write, everything is written before the version is created,
and creating the version is the one act that counts. Whoever finds several
versions with one key keeps the lowest and deletes the rest, so two machines
need no lock between them (docs/adr/0011-lowest-version-wins.md).
"""

from __future__ import annotations

import contextlib
import json
import math
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry import candidate as candidates
from registry import evidence, inspection, logged_model, mlmodel, provenance, signed_file, skops_types, statement
from registry import tasks as judging
from registry.candidate import TEST_ROWS, TRAIN_ROWS, Candidate
from registry.export import fetch
from registry.gate import Champion, judge
from registry.logged_model import Dataset
from registry.provenance import Datum
from registry.signing import sign
from registry.tracking import CHALLENGER, CHAMPION, KEY_TAG, Tracking, Version
from registry.verdict import Verdict
from slipway import artifact, tasks
from slipway.atomic import write_json
from slipway.errors import BadInput, SlipwayError, Unavailable

REASONS_LENGTH = 4000  # MLflow refuses a tag of more than 5000 characters
Say = Callable[[str], None]


@dataclass(frozen=True)
class Registration:
    """What a registration ended with; `verdict` is None where it was there already."""

    version: Version
    created: bool
    verdict: Verdict | None


@dataclass(frozen=True)
class Judged:
    """What was found out before the first write: verdict, metrics by name, types in model.skops, data behind it."""

    verdict: Verdict
    values: dict[str, float]
    trusted: list[str]
    data: tuple[Datum, ...]
    headline: str  # the metric that the version's tag has


def register(
    root: Path,
    open_tracking: Callable[[], Tracking],
    artifact_root: str | None,
    allow_dirty: bool,
    say: Say,
    key: str | None = None,
) -> Registration:
    """Log, judge and register the artifact in `root`; `key` signs the verdict.

    Raises:
        BadInput: the artifact is incomplete or not what it must be.
        Refused: uncommitted changes, outputs that are not those of the last repro, or a key that does not sign.
        Unavailable: the store did not do what was asked; the same command completes it.
    """
    if key:
        sign(
            b"", key, statement.VERDICT.name
        )  # before the first write: a key that asks for a passphrase leaves nothing behind
    say("reading the artifact")
    candidate = candidates.read(root, allow_dirty)
    with _temporary() as temporary:
        folder = Path(temporary)
        candidates.stage(candidate, folder)
        trusted = skops_types.types(folder / "model" / artifact.PIPELINE)
        scoring = inspection.start_scoring(folder / "model", folder / "test.parquet", folder / "scores.npz")
        try:
            say("opening MLflow")
            tracking = open_tracking()
            there = _survivor(tracking, candidate)
            if there is None:
                say("scoring and judging")
                tracking.load_client()
                scored = inspection.scored(scoring)
                inspection.refuse_own_rows(folder / "model")
                champion = _champion(tracking, candidate, folder)
                verdict = judge(evidence.assemble(candidate, scored), champion, candidate.params.gate)
                values, headline = _metrics(candidate, scored), judging.of(candidate.task.name).HEADLINE
                judged = Judged(verdict, values, trusted, provenance.data(candidate.lock), headline)
                try:
                    return _write(tracking, candidate, folder, judged, artifact_root, say, key)
                except BadInput:  # another command of the same candidate was first, and deleted this one's run
                    if _survivor(tracking, candidate) is None:
                        raise
        finally:
            scoring.stop()
    say("already registered")
    return Registration(_settle(tracking, candidate, artifact_root), False, None)


@contextlib.contextmanager
def _temporary() -> Iterator[str]:
    try:
        with tempfile.TemporaryDirectory(prefix="slipway-register-") as folder:
            yield folder
    except OSError as error:
        raise Unavailable(
            f"cannot write temporary files under {tempfile.gettempdir()}",
            expected="a disk that takes a copy of the artifact",
            found=error.strerror or str(error),
            hint="free some space, or set TMPDIR, then run the same command again",
        ) from error


def _survivor(tracking: Tracking, candidate: Candidate) -> Version | None:
    return next((v for v in tracking.versions(candidate.name) if v.tags.get(KEY_TAG) == candidate.key), None)


def _champion(tracking: Tracking, candidate: Candidate, folder: Path) -> Champion | None:
    """Score the champion's own bytes by its own contract; whatever is wrong with them is the reason to fail."""
    versions = tracking.versions(candidate.name)
    version = next((one for one in versions if CHAMPION in one.aliases), None)
    if version is None:
        return None
    place = folder / "champion"
    try:
        fetch(tracking, version, (artifact.GRAPH, artifact.SCHEMA), place)
        theirs = tasks.read(json.loads((place / artifact.SCHEMA).read_bytes()).get("task"))
        if not candidate.task.comparable(theirs):
            return Champion(str(version.number), problem="its task or its classes are not those of the challenger")
        running = inspection.start_scoring(place, folder / "test.parquet", folder / "champion.npz")
        found = inspection.scored(running)
    except SlipwayError as error:
        return Champion(str(version.number), problem=" ".join(str(error).split()))
    return Champion(str(version.number), evidence.row_ids(candidate), found.answers)


def _write(
    tracking: Tracking,
    candidate: Candidate,
    folder: Path,
    judged: Judged,
    artifact_root: str | None,
    say: Say,
    key: str | None,
) -> Registration:
    say("logging the run")
    experiment = logged_model.prepare(tracking, candidate.name, artifact_root)
    train = Dataset("train", TRAIN_ROWS, candidate.lock.md5(TRAIN_ROWS), "training")
    test = Dataset("test", TEST_ROWS, candidate.lock.md5(TEST_ROWS), "evaluation")
    tags = candidate.tags() | _verdict_tags(judged)
    origin = {"mlflow.source.git.commit": candidate.source.commit, "mlflow.source.name": "slipway register"}
    run_id = logged_model.start_run(tracking, experiment, tags | origin, [train, test])
    model_id = logged_model.start_model(
        tracking, experiment, run_id, candidate.name, candidate.params.flat, candidate.task.flavor[0]
    )
    say("storing the model")
    contract, golden = candidate.json(artifact.SCHEMA), candidate.json(artifact.GOLDEN)
    mlmodel.describe(folder / "model", contract, golden, judged.trusted, run_id, model_id)
    text = statement.text(candidate.name, run_id, tags, judged.verdict, judged.data)
    signed_file.write(folder / "model", statement.VERDICT, text, key)
    logged_model.upload_model(tracking, model_id, folder / "model")
    logged_model.log(tracking, run_id, model_id, judged.values, candidate.params.flat, test)
    write_json(folder / "run" / statement.VERDICT.file, judged.verdict.as_json())
    logged_model.finish_run(tracking, run_id, folder / "run")
    say("creating the version")
    number = tracking.create_version(candidate.name, run_id, model_id, tags)
    settled = _settle(tracking, candidate, artifact_root)
    return Registration(settled, settled.number == number, judged.verdict)


def _settle(tracking: Tracking, candidate: Candidate, artifact_root: str | None) -> Version:
    """Leave one version a key and the alias on the newest; undo what lost or was killed."""
    ours = [v for v in tracking.versions(candidate.name) if v.tags.get(KEY_TAG) == candidate.key]
    if not ours:
        raise BadInput(
            f"the version of {candidate.name} was deleted while it was being registered",
            expected="a version that nothing else deletes",
            hint="run the same command again",
        )
    kept, *lost = ours
    for version in lost:
        if set(version.aliases) <= {CHALLENGER}:  # one that was promoted meanwhile is left to whoever did that
            tracking.delete_version(candidate.name, version.number)
    experiment = logged_model.prepare(tracking, candidate.name, artifact_root)
    logged_model.delete_other_runs(tracking, experiment, candidate.key, kept.run_id)
    firsts: dict[str, Version] = {}
    for version in tracking.versions(candidate.name):
        firsts.setdefault(version.tags.get(KEY_TAG, f"version {version.number}"), version)
    newest = max(firsts.values(), key=lambda one: one.number)
    if CHALLENGER not in newest.aliases:
        tracking.set_alias(candidate.name, CHALLENGER, newest.number)
    return next(one for one in tracking.versions(candidate.name) if one.number == kept.number)


def _verdict_tags(judged: Judged) -> dict[str, str]:
    verdict = judged.verdict
    failures = "; ".join(f"{rule.name}: {rule.reason}" for rule in verdict.failures)
    return {
        "verdict": "passed" if verdict.passed else "failed",
        "verdict_reasons": (failures or "every rule passed")[:REASONS_LENGTH],
        judged.headline: f"{judged.values.get(judged.headline, math.nan):.6f}",
    }


def _metrics(candidate: Candidate, scored: inspection.Scored) -> dict[str, float]:
    """Flatten metrics.json: value, low and high of each metric, the differences to the baselines."""
    reported = candidate.json("metrics.json")
    values = {"latency_p99_ms": scored.latency_p99_ms, "size_bytes": float(len(candidate.model[artifact.GRAPH]))}
    values |= _with_bounds(reported.get("metrics") or {}, "")
    for name, baseline in (reported.get("baselines") or {}).items():
        values |= _with_bounds(baseline.get("difference") or {}, f"over_{name}.")
    counts = {name: count for name, count in reported.items() if type(count) is int}
    return values | {name: float(count) for name, count in counts.items()}


def _with_bounds(metrics: dict[str, Any], prefix: str) -> dict[str, float]:
    flat: dict[str, float] = {}
    for name, found in metrics.items():
        for bound, suffix in (("value", ""), ("low", "_low"), ("high", "_high")):
            value = found.get(bound)
            if isinstance(value, int | float) and not isinstance(value, bool):
                flat[f"{prefix}{name}{suffix}"] = float(value)
    return flat

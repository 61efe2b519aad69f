"""The served model: verified bytes, the graph in ONNX Runtime, its contract.

Owns the way from an exported folder to probabilities. Refuses a file whose
digest differs from the manifest before a byte of it is parsed, a graph that
crashes or hangs in a process of its own, a graph that does not fit its
contract, and a graph that gives other answers than when it was exported.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from serving.inference import golden_file
from serving.input import schema
from serving.input.schema import RETRAIN, Schema
from slipway import artifact
from slipway.errors import BadInput, Refused
from slipway.names import NAME
from slipway.task import Task

EXPORT = "slipway export NAME@NUMBER FOLDER"
LARGEST_FILE = 2 << 30

_Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class _File(msgspec.Struct, frozen=True):
    sha256: _Digest
    bytes: int


class _Name(msgspec.Struct, frozen=True):
    name: Annotated[str, msgspec.Meta(pattern=f"^{NAME}$")]
    version: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class Manifest(msgspec.Struct, frozen=True):
    """Where an exported version comes from, and its files' digests."""

    manifest_version: Literal[1]
    model: _Name
    run_id: str
    git_commit: str
    data_md5: str
    verdict: str
    files: dict[str, _File]


@dataclass(frozen=True)
class Model:
    """A verified model, ready to predict."""

    manifest: Manifest
    schema: Schema
    digest: str
    golden: list[dict[str, Any]]
    session: Any
    task: Task

    @property
    def name(self) -> str:
        """The registered model's name."""
        return self.manifest.model.name

    @property
    def version(self) -> str:
        """The registered version."""
        return self.manifest.model.version

    def scores(self, numeric: np.ndarray, categorical: np.ndarray) -> np.ndarray:
        """Return the task's scores, `(n, …) float32`, for `numeric` (n, k) float32 and `categorical` (n, m) of str."""
        return np.asarray(self.task.scores(self.answered(numeric, categorical)))

    def answered(self, numeric: np.ndarray, categorical: np.ndarray) -> np.ndarray:
        """Return the graph's answer as it is, `(n, width) float32`."""
        feed = {}
        if self.schema.inputs.numeric:
            feed["numeric"] = numeric
        if self.schema.inputs.categorical:
            feed["categorical"] = categorical
        found: np.ndarray = self.session.run([self.task.output], feed)[0]
        return found


def load(folder: Path) -> Model:
    """Verify an exported folder, then open it.

    Raises:
        BadInput: files are missing or do not parse, or the graph does not fit the contract.
        Refused: a digest, the probe or the golden rows fail.
    """
    manifest, contents = verified(folder)
    contract = schema.parse(contents[artifact.SCHEMA])
    session = open_graph(contents[artifact.GRAPH])
    task = contract.answers()
    _check_inputs(session, contract, task.output)
    golden = golden_file.read(contents[artifact.GOLDEN])
    model = Model(manifest, contract, manifest.files[artifact.GRAPH].sha256, golden["rows"], session, task)
    _check_golden(model, task.expected(golden))
    return model


def verified(folder: Path) -> tuple[Manifest, dict[str, bytes]]:
    """Read the manifest and every file it names; return bytes that match their digests."""
    manifest = _manifest(folder / artifact.MANIFEST)
    if set(manifest.files) != set(artifact.EXPORTED):
        raise Refused(
            f"{folder / artifact.MANIFEST} lists other files than an exported version has",
            expected=", ".join(artifact.EXPORTED),
            found=", ".join(sorted(manifest.files))[:200],
            hint=EXPORT,
        )
    return manifest, {name: _verified_file(folder / name, manifest.files[name]) for name in artifact.EXPORTED}


def open_graph(content: bytes) -> Any:
    """Open a graph on one thread, from bytes, with no telemetry and no library of operators."""
    import onnxruntime  # takes a quarter of a second; commands that do not predict skip it

    onnxruntime.disable_telemetry_events()
    onnxruntime.set_default_logger_severity(3)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime raises its own kinds, one a status code, under no common class
        raise BadInput(
            "model.onnx does not open",
            expected="an ONNX graph that ONNX Runtime can run",
            found=str(error).splitlines()[0][:300],
            hint=EXPORT,
        ) from error


def rows_to_arrays(rows: list[dict[str, Any]], contract: Schema) -> tuple[np.ndarray, np.ndarray]:
    """Lay rows by feature name out for the graph."""
    inputs = contract.inputs
    numeric = np.array([[row.get(name) for name in inputs.numeric] for row in rows], np.float32)
    categorical = np.array([[row.get(name) or "" for name in inputs.categorical] for row in rows], object)
    return numeric, categorical


def _manifest(path: Path) -> Manifest:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise BadInput(
            f"{path} is missing", expected="the folder of an exported version", found="no manifest.json",
            hint=EXPORT,
        ) from None  # fmt: skip
    except (msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
        raise BadInput(
            f"{path} does not parse", expected="the form in docs/reference/artifact.md", found=str(error), hint=EXPORT
        ) from None


def _verified_file(path: Path, listed: _File) -> bytes:
    try:
        if not 0 <= path.stat().st_size <= LARGEST_FILE:
            raise Refused(
                f"{path} is too large",
                expected=f"at most {LARGEST_FILE} bytes",
                found=f"{path.stat().st_size} bytes",
                hint="train a smaller model, then register it",
            )
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} cannot be read", expected="a file", found=str(error.strerror), hint=EXPORT) from None
    digest = hashlib.sha256(content).hexdigest()
    if digest != listed.sha256 or len(content) != listed.bytes:
        raise Refused(
            f"{path} is not the file that was exported",
            expected=f"sha256 {listed.sha256}, {listed.bytes} bytes",
            found=f"sha256 {digest}, {len(content)} bytes",
            hint="export the version again; if it differs again, find out who changed it in the artifact store",
        )
    return content


def _check_inputs(session: Any, contract: Schema, output: str) -> None:
    wanted = {}
    if contract.inputs.numeric:
        wanted["numeric"] = ("tensor(float)", len(contract.inputs.numeric))
    if contract.inputs.categorical:
        wanted["categorical"] = ("tensor(string)", len(contract.inputs.categorical))
    found = {i.name: (i.type, i.shape[-1] if len(i.shape) == 2 else None) for i in session.get_inputs()}
    outputs = {o.name: o.type for o in session.get_outputs()}
    if found != wanted or outputs.get(output) != "tensor(float)":
        raise BadInput(
            "model.onnx does not fit schema.json",
            expected=f"inputs {wanted}, output {output} of tensor(float)",
            found=f"inputs {found}, outputs {outputs}",
            hint=RETRAIN,
        )


def _check_golden(model: Model, expected: np.ndarray) -> None:
    task = model.task
    if not model.golden or len(model.golden) != len(expected):
        raise BadInput(
            "golden.json has no rows to check the model with",
            expected=f"rows, and as many {task.golden}",
            found=f"{len(model.golden)} rows, {len(expected)} {task.golden}",
            hint=RETRAIN,
        )
    found = model.answered(*rows_to_arrays(model.golden, model.schema))
    if found.shape != (len(expected), task.width):
        raise BadInput(
            "model.onnx returns another shape than schema.json promises",
            expected=f"({len(expected)}, {task.width})",
            found=str(found.shape),
            hint=RETRAIN,
        )
    difference = float(np.max(np.abs(task.scores(found) - expected)))
    if not difference <= task.tolerance:
        raise Refused(
            "model.onnx gives other answers here than where it was exported",
            expected=f"golden.json's {task.golden} to within {task.tolerance:g}",
            found=f"a difference of {difference:.3g}",
            hint="compare the versions of onnxruntime, then register the model again",
        )

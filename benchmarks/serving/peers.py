"""What people serve a scikit-learn model with, as small servers: the peers of the comparison.

    python benchmarks/serving/peers.py NAME FOLDER PORT

Each is what its own documentation shows, for the same model and the same rows.
"""

import json
import sys
from pathlib import Path
from typing import Any


def echo(folder: Path) -> Any:  # noqa: ARG001 - every peer is made from a folder
    """The limit: read the body, answer it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = (await receive())["body"]
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def fastapi_sklearn(folder: Path) -> Any:
    """What most people write: a DataFrame into the Pipeline."""
    import joblib
    import pandas as pd
    from fastapi import FastAPI
    from pydantic import create_model

    model, names = joblib.load(folder / "model.joblib"), _names(folder)
    row = create_model("Row", **{name: (kind | None, None) for name, kind in names.items()})  # type: ignore[call-overload]
    body = create_model("Body", rows=(list[row], ...))
    app = FastAPI()

    @app.post("/predict")
    def predict(content: body) -> dict[str, Any]:
        frame = pd.DataFrame([r.model_dump() for r in content.rows])[list(names)]
        return {"probabilities": model.predict_proba(frame.to_numpy(object))[:, 1].tolist()}

    return app


def fastapi_onnx(folder: Path) -> Any:
    """The same rows into ONNX Runtime, without any other feature."""
    import numpy as np
    import onnxruntime
    from fastapi import FastAPI
    from pydantic import create_model

    names = _names(folder)
    numeric = [name for name, kind in names.items() if kind is not str]
    strings = [name for name, kind in names.items() if kind is str]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
    row = create_model("Row", **{name: (kind | None, None) for name, kind in names.items()})  # type: ignore[call-overload]
    body = create_model("Body", rows=(list[row], ...))
    app = FastAPI()

    @app.post("/predict")
    async def predict(content: body) -> dict[str, Any]:
        numbers = np.array([[getattr(r, n) for n in numeric] for r in content.rows], np.float32)
        texts = np.array([[getattr(r, n) or "" for n in strings] for r in content.rows], object)
        found = session.run(["probabilities"], {"numeric": numbers, "categorical": texts})[0]
        return {"probabilities": found[:, 1].tolist()}

    return app


def _names(folder: Path) -> dict[str, Any]:
    contract = json.loads((folder / "schema.json").read_bytes())
    kinds = {"integer": int, "number": float, "string": str}
    by_name = {f["name"]: kinds[f["type"]] for f in contract["features"]}
    return {name: by_name[name] for name in contract["inputs"]["numeric"] + contract["inputs"]["categorical"]}


def main() -> None:
    """Serve one peer with uvicorn, uvloop and httptools."""
    import uvicorn

    name, folder, port = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    app = {"echo": echo, "fastapi-sklearn": fastapi_sklearn, "fastapi-onnx": fastapi_onnx}[name](folder)
    uvicorn.run(app, port=port, loop="uvloop", http="httptools", access_log=False, log_level="warning", lifespan="off")


if __name__ == "__main__":
    main()

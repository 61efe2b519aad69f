"""Does a model's own contract let its own golden rows in? `python -m serving.inference.golden SCHEMA GOLDEN`.

Run by `slipway register` as a program of its own, so that a model that every
server would refuse is refused before it is a version. Prints the error as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from serving.http.problem import Problem
from serving.inference.golden_file import read
from serving.input import schema
from serving.input.validation import Reader
from slipway.errors import BadInput, SlipwayError

RETRAIN = "correct training/features.py or the prepared rows, then dvc repro"


def check(contract: bytes, golden: bytes) -> None:
    """Read the golden rows as a request is read.

    Raises:
        BadInput: the contract does not parse or refuses a row, or there are no rows.
    """
    try:
        rows: Any = read(golden)["rows"]
    except (KeyError, TypeError) as error:
        raise BadInput("golden.json holds no rows", found=str(error), hint="dvc repro --force train") from error
    if not isinstance(rows, list) or not rows:
        raise BadInput("golden.json holds no rows", expected="rows with the model's answers", hint=RETRAIN)
    try:
        Reader(schema.parse(contract), len(rows)).read(json.dumps({"rows": rows}).encode())
    except Problem as problem:
        first = problem.faults[0] if problem.faults else None
        raise BadInput(
            f"schema.json refuses a golden row{f': {first.field}' if first else ''}",
            expected=first.expected if first else "rows that the model was trained on",
            found=first.found if first else problem.detail,
            hint=RETRAIN,
        ) from problem


def main(arguments: list[str]) -> int:
    """Check the two files; the exit code is the error's."""
    contract, golden = (Path(argument).read_bytes() for argument in arguments)
    try:
        check(contract, golden)
    except SlipwayError as error:
        print(json.dumps(error.as_json()))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

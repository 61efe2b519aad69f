"""Fuzzes one target with libFuzzer: `python -m tests.fuzz connection -max_total_time=60`; see `make fuzz`.

The corpus grows in var/fuzz/corpus. What breaks a promise is written to
var/fuzz/found; once it is fixed it belongs into tests/fuzz/findings, where a
fast test replays it.
"""

from __future__ import annotations

import importlib
import logging
import sys
from pathlib import Path

from tests.fuzz import mutation

HERE = Path(__file__).parent
WORK = Path("var/fuzz")
MEASURED = ["serving", "journal", "training.contract", "training.declared"]
MEASURED += ["slipway.strict_yaml", "slipway.params_file"]


def main(name: str, *options: str) -> None:
    """Run the target of this name until libFuzzer's options end it."""
    import atheris

    logging.disable(logging.CRITICAL)
    with atheris.instrument_imports(include=MEASURED):
        target = importlib.import_module(f"tests.fuzz.fuzz_{name}")
    corpus, found = WORK / "corpus" / name, WORK / "found"
    for folder in (corpus, found):
        folder.mkdir(parents=True, exist_ok=True)
    given = [HERE / "seeds" / name, HERE / "findings" / name]
    dictionary = HERE / "seeds" / f"{name}.dict"
    chosen = [
        f"-artifact_prefix={found}/{name}-",
        "-timeout=10",
        "-rss_limit_mb=4096",
        "-max_len=3000",
        "-len_control=20",
    ]
    chosen += [f"-dict={dictionary}"] if dictionary.exists() else []
    folders = [str(corpus), *(str(folder) for folder in given if folder.is_dir())]
    split = getattr(target, "split", None)  # of targets whose inputs hold JSON
    further = {}
    if split is not None:
        # Looked up when it is called: `Fuzz` puts another one there.
        further["custom_mutator"] = mutation.mutator(lambda data, most: atheris.Mutate(data, most), split)
    atheris.Setup([sys.argv[0], *chosen, *options, *folders], target.check, **further)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])

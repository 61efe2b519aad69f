"""Which types does a skops file name that nobody has vouched for? Reads names, loads nothing.

Run as a program of its own (`python -m registry.skops_types FILE`): a hostile
file harms nothing else, and the library's slow import runs beside other work.
"""

from __future__ import annotations

import json
import sys

# What skops does not trust by itself, but fitted scikit-learn Pipelines hold; all are plain data.
TRUSTED = (
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.tree._tree.Tree",
)


def main(path: str) -> int:
    """Print the types that are not trusted as JSON; exit 3 if the file is no skops file."""
    import skops.io

    try:
        unknown = set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED)
    except Exception as error:  # noqa: BLE001 - a hostile zip fails in every way there is
        print(json.dumps({"error": f"{type(error).__name__}: {error}"[:300]}))
        return 3
    print(json.dumps({"unknown": sorted(unknown)}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

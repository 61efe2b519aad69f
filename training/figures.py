"""Pictures of an evaluation as SVG text, the same bytes every time: no date, no random id."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from typing import Any

import matplotlib as mpl

mpl.use("svg")  # before pyplot is imported: no screen is needed

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from training.curves import Points

# Okabe & Ito's palette: told apart by colour-blind readers too.
COLOURS = {"model": "#0072B2", "climatology": "#999999", "logistic_regression": "#E69F00"}
OTHERS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
SHOWN_CLASSES = 30  # of a confusion matrix; more cannot be read
STYLE: Any = {
    "svg.hashsalt": "slipway",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "axes.axisbelow": True,
    "legend.frameon": False,
}


def roc(points: Points) -> str:
    """Draw true against false positive rate."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color="#cccccc", linewidth=1, linestyle="--")
        _lines(axes, points, "false_positive_rate", "true_positive_rate")
        axes.set(xlabel="false positive rate", ylabel="true positive rate", xlim=(0, 1), ylim=(0, 1))
        axes.legend(loc="lower right")

    return _svg(draw)


def precision_recall(points: Points) -> str:
    """Draw precision against recall."""

    def draw(axes: Axes) -> None:
        _lines(axes, [p for p in points if p["recall"] > 0.005], "recall", "precision")
        axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1))
        axes.legend(loc="upper right")

    return _svg(draw)


def calibration(points: Points) -> str:
    """Draw the observed rate against the mean prediction of each tenth of the rows."""
    top = 1.1 * max(max(p["predicted"], p["observed"]) for p in points)

    def draw(axes: Axes) -> None:
        axes.plot([0, top], [0, top], color="#cccccc", linewidth=1, linestyle="--", label="perfect")
        _lines(axes, points, "predicted", "observed", marker="o", markersize=4)
        axes.set(xlabel="mean predicted probability", ylabel="observed rate", xlim=(0, top), ylim=(0, top))
        axes.legend(loc="upper left")

    return _svg(draw)


def confusion(points: Points) -> str:
    """Draw the share of each class's rows that are taken for each class."""
    rows: Counter[str] = Counter()
    for point in points:
        rows[point["actual"]] += point["rows"]
    names = sorted(name for name, _ in rows.most_common(SHOWN_CLASSES))
    places = {name: place for place, name in enumerate(names)}
    shares = np.zeros((len(names), len(names)))
    for point in points:
        if point["actual"] in places and point["predicted"] in places:
            shares[places[point["actual"]], places[point["predicted"]]] = point["rows"] / rows[point["actual"]]

    def draw(axes: Axes) -> None:
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axes.grid(visible=False)
        axes.set(xlabel="predicted", ylabel="actual")
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), names)
        if len(names) <= 10:
            for (row, column), share in np.ndenumerate(shares):
                colour = "white" if share > 0.5 else "#555555"
                axes.text(column, row, f"{share:.0%}", ha="center", va="center", color=colour)

    return _svg(draw)


def predicted(points: Points) -> str:
    """Draw each row's actual value over its predicted one, with the interval's ends."""

    def draw(axes: Axes) -> None:
        order = sorted(points, key=lambda point: point["predicted"])
        x = [point["predicted"] for point in order]
        low, high = [point["low"] for point in order], [point["high"] for point in order]
        axes.fill_between(x, low, high, color=COLOURS["model"], alpha=0.15, linewidth=0)
        axes.plot(x, x, color="#cccccc", linewidth=1, linestyle="--")
        axes.plot(x, [point["actual"] for point in order], ".", color=COLOURS["model"], markersize=4)
        axes.set(xlabel="predicted", ylabel="actual")

    return _svg(draw)


def residuals(points: Points) -> str:
    """Draw each row's error over its predicted value."""

    def draw(axes: Axes) -> None:
        axes.axhline(0, color="#cccccc", linewidth=1, linestyle="--")
        x, y = [point["predicted"] for point in points], [point["residual"] for point in points]
        axes.plot(x, y, ".", color=COLOURS["model"], markersize=4)
        axes.set(xlabel="predicted", ylabel="actual minus predicted")

    return _svg(draw)


def importance(points: Points, lost: str) -> str:
    """Draw what is lost when each column is shuffled, the worst loss on top."""
    shown = points[::-1]

    def draw(axes: Axes) -> None:
        axes.barh(
            [p["feature"] for p in shown],
            [p["loss"] for p in shown],
            xerr=[p["spread"] for p in shown],
            color=COLOURS["model"],
            ecolor="#555555",
        )
        axes.grid(axis="y", visible=False)
        axes.set(xlabel=f"{lost} when the column is shuffled")

    return _svg(draw)


def _lines(axes: Axes, points: Points, x: str, y: str, **style: Any) -> None:
    for number, model in enumerate(dict.fromkeys(point["model"] for point in points)):
        chosen = [point for point in points if point["model"] == model]
        label = model.replace("_", " ")
        axes.plot(
            [p[x] for p in chosen],
            [p[y] for p in chosen],
            color=COLOURS.get(model, OTHERS[number % len(OTHERS)]),
            label=label,
            linewidth=1.8,
            **style,
        )


def _svg(draw: Callable[[Axes], None]) -> str:
    with mpl.rc_context(rc=STYLE):
        figure, axes = plt.subplots(figsize=(5.2, 4.2), layout="constrained")
        draw(axes)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
        plt.close(figure)
    text = buffer.getvalue()
    return text[text.index("<svg") :]

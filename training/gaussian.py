"""Gaussian naive Bayes as a graph of our own, in double.

skl2onnx 1.20 writes it in float32, where squares over the variance of a rare category leave four digits.

Source: https://scikit-learn.org/stable/modules/naive_bayes.html#gaussian-naive-bayes
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.naive_bayes import GaussianNB


def append(graph: onnx.ModelProto, estimator: GaussianNB, output: str) -> None:
    """Let the graph's only output, a float matrix, go on to `output`, float32 (n, k)."""
    matrix = graph.graph.output[0].name
    fitted: Any = estimator
    constants = {"half": np.array([-0.5]), "one": np.array([1.0]), "nb_axis": np.array([1], np.int64)}
    nodes = [helper.make_node("Cast", [matrix], ["nb_x"], to=TensorProto.DOUBLE)]
    classes = len(fitted.class_prior_)
    for number in range(classes):
        mean, variance = fitted.theta_[number], fitted.var_[number]  # float64: training/estimators.py
        prior = np.log(fitted.class_prior_[number]) - 0.5 * np.log(2 * np.pi * variance).sum()
        constants |= {f"nb_mean{number}": mean, f"nb_variance{number}": variance}
        constants |= {f"nb_prior{number}": np.array([prior], np.float64)}
        nodes += _likelihood(number)
    nodes += _two_classes() if classes == 2 else _more_classes(classes)
    nodes.append(helper.make_node("Cast", ["nb_both"], [output], to=TensorProto.FLOAT))
    if classes > 2:
        del constants["one"]
    graph.graph.node.extend(nodes)
    graph.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    graph.graph.output[0].CopyFrom(helper.make_tensor_value_info(output, TensorProto.FLOAT, [None, classes]))


def _two_classes() -> list[onnx.NodeProto]:
    return [
        helper.make_node("Sub", ["nb_joint1", "nb_joint0"], ["nb_margin"]),
        helper.make_node("Sigmoid", ["nb_margin"], ["nb_one"]),
        helper.make_node("Sub", ["one", "nb_one"], ["nb_zero"]),
        helper.make_node("Concat", ["nb_zero", "nb_one"], ["nb_both"], axis=1),
    ]


def _more_classes(count: int) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Concat", [f"nb_joint{number}" for number in range(count)], ["nb_joint"], axis=1),
        helper.make_node("Softmax", ["nb_joint"], ["nb_both"], axis=1),
    ]


def _likelihood(number: int) -> list[onnx.NodeProto]:
    """Joint log likelihood of one class: its prior and constants minus half the scaled squared distance."""
    steps = [
        ("Sub", ["nb_x", f"nb_mean{number}"], f"nb_away{number}"),
        ("Mul", [f"nb_away{number}", f"nb_away{number}"], f"nb_square{number}"),
        ("Div", [f"nb_square{number}", f"nb_variance{number}"], f"nb_scaled{number}"),
        ("ReduceSum", [f"nb_scaled{number}", "nb_axis"], f"nb_sum{number}"),
        ("Mul", [f"nb_sum{number}", "half"], f"nb_distance{number}"),
        ("Add", [f"nb_distance{number}", f"nb_prior{number}"], f"nb_joint{number}"),
    ]
    return [helper.make_node(kind, inputs, [output]) for kind, inputs, output in steps]

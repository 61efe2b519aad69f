"""What an image carries of `slipway/` is what its processes import, and nothing else."""

from __future__ import annotations

import grimp

from image import context
from tools.rooms import ROOT

ENTRIES = ("serving.__main__", "serving.server", "serving.service", "serving.smoke", "serving.inference.probe")


def test_the_image_carries_every_shared_module_that_its_processes_import() -> None:
    graph = grimp.build_graph("slipway", "serving", "journal", cache_dir=None)
    reached: set[str] = set()
    waiting = [*ENTRIES, *graph.find_children("slipway.tasks")]  # a task is imported by its name
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            waiting += graph.find_modules_directly_imported_by(module)
    shared = {name for module in reached if (name := _file(module)).startswith("slipway/")}
    carried = {name for name in context.application_files(ROOT) if name.startswith("slipway/") and name.endswith(".py")}
    assert carried == shared | {"slipway/__init__.py"}


def _file(module: str) -> str:
    name = module.replace(".", "/")
    return f"{name}/__init__.py" if (ROOT / name).is_dir() else f"{name}.py"

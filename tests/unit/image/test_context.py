"""What an image carries of `slipway/` is what its processes import, and nothing else."""

from __future__ import annotations

import grimp

from image import context

ENTRIES = ("serving.__main__", "serving.server", "serving.service", "serving.smoke", "serving.inference.probe")


def test_the_image_carries_every_shared_module_that_its_processes_import() -> None:
    graph = grimp.build_graph("slipway", "serving", "journal", cache_dir=None)
    reached: set[str] = set()
    waiting = list(ENTRIES)
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            waiting += graph.find_modules_directly_imported_by(module)
    shared = {f"{module.replace('.', '/')}.py" for module in reached if module.startswith("slipway.")}
    carried = {name for name in context.APPLICATION if name.startswith("slipway/")}
    assert carried == shared | {"slipway/__init__.py"}

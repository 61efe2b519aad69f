"""What an image carries of `slipway/` is what its processes import, and nothing else."""

from __future__ import annotations

from pathlib import Path

import grimp

from image import context

ROOT = Path(__file__).parents[3]
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
    places = [module.replace(".", "/") for module in reached if module.startswith("slipway.")]
    shared = {f"{place}/__init__.py" if (ROOT / place).is_dir() else f"{place}.py" for place in places}
    carried = {name for name in context.application_files(ROOT) if name.startswith("slipway/")}
    assert carried == shared | {"slipway/__init__.py"}

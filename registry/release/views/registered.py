"""Every model's versions in a few calls, however many models there are."""

from __future__ import annotations

from typing import Any

from registry.tracking import Tracking, Version


def registered(tracking: Tracking) -> dict[str, list[Version]]:
    """Return every model's versions, oldest first, with tags and aliases."""
    with tracking.asking("list the registered models"):
        models = _pages(tracking.client.search_registered_models, max_results=1000)
        versions = _pages(tracking.client.search_model_versions, max_results=10_000)
    named: dict[tuple[str, str], list[str]] = {}
    for model in models:
        for alias, number in model.aliases.items():
            named.setdefault((model.name, str(number)), []).append(alias)
    found: dict[str, list[Version]] = {model.name: [] for model in models}
    for one in sorted(versions, key=lambda each: int(each.version)):
        aliases = tuple(sorted(named.get((one.name, str(one.version)), [])))
        version = Version(one.name, int(one.version), one.run_id, one.creation_timestamp, dict(one.tags), aliases)
        found.setdefault(one.name, []).append(version)
    return found


def _pages(search: Any, max_results: int) -> list[Any]:
    found: list[Any] = []
    token = None
    while True:
        page = search(max_results=max_results, page_token=token)
        found += page
        token = page.token
        if not token:
            return found

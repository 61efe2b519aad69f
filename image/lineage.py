"""Labels that say where a version comes from, the same on its image, its Bento and its model in BentoML's store."""

from __future__ import annotations

from typing import Any

from slipway import artifact


def labels(manifest: dict[str, Any]) -> dict[str, str]:
    """Return `slipway.*` labels from an exported version's manifest, down to the data."""
    facts = {
        "slipway.model": manifest["model"]["name"],
        "slipway.model-version": manifest["model"]["version"],
        "slipway.run-id": manifest["run_id"],
        "slipway.git-commit": manifest["git_commit"],
        "slipway.verdict": manifest["verdict"],
        "slipway.data-md5": manifest["data_md5"],
        "slipway.model-sha256": manifest["files"][artifact.GRAPH]["sha256"],
    }
    return {label: str(fact) for label, fact in facts.items()}

"""What an environment's overlay releases, where the overlay is there."""

from __future__ import annotations

from release.git.manifests import Clone
from release.release_file import Release
from slipway.errors import BadInput


def overlaid(clone: Clone, name: str, environment: str) -> Release | None:
    """Return what the environment runs.

    Raises:
        BadInput: the model has no overlay for the environment.
    """
    overlay = f"{clone.remote.folder}/apps/{name}/{environment}/kustomization.yaml"
    if overlay not in clone.files:
        raise BadInput(
            f"{clone.where} has no manifests of {name} for {environment}",
            expected=overlay,
            found="models " + (", ".join(clone.models()) or "none"),
            hint=f"make model NAME={name}, commit and push",
        )
    return clone.release(name, environment)

"""The environments of a release: their names, the order in which a version passes them, and which one needs approval.

Everything else asks here. An environment is also a folder of each model's manifests, gitops/apps/NAME/ENVIRONMENT.
"""

from __future__ import annotations

STAGING, PRODUCTION = "staging", "production"
ENVIRONMENTS = (STAGING, PRODUCTION)
APPROVED = (PRODUCTION,)  # what they run was asked for by one person and approved by another


def needs_approval(environment: str) -> bool:
    """Return whether a release to this environment needs another person's approval."""
    return environment in APPROVED

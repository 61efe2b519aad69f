"""Give a model manifests of its own: `make model NAME=…`.

Owns what a model's folder in gitops/apps says before anything is released, and the file with which an administrator
lets the model in. Run again, it does nothing. Refuses a name that cannot be one. Exit codes: 0 done, 3 bad input.
"""

from __future__ import annotations

import sys
from pathlib import Path

from release.environments import PRODUCTION, STAGING
from slipway.atomic import write_bytes
from slipway.errors import BadInput, SlipwayError
from slipway.names import checked
from slipway.yaml_scalar import scalar

OVERLAY = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: {name}-{environment}
resources: [../../../base]
components: [{components}, release]
configMapGenerator:
- {{name: MODEL, behavior: merge, literals: [name={name}, host={name}{domain}]}}
"""
COMPONENTS = {
    STAGING: "../../../base/staging",
    PRODUCTION: "../../../base/spool, ../../../base/production",
}
DOMAINS = {STAGING: ".staging.example.com", PRODUCTION: ".example.com"}
EMPTY = """\
# Nothing is released here yet. `slipway stage` and a merged promotion replace this file, and it alone.
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
patches:
- target: {kind: Rollout|HorizontalPodAutoscaler|AnalysisTemplate}
  patch: |
    $patch: delete
    apiVersion: v1
    kind: Any
    metadata: {name: any}
"""
LET_IN = """\
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
components: [../../model]
configMapGenerator:
- {{name: model, behavior: replace, literals: [name={name}]}}
"""
LIST = """\
# The models that may be deployed. A folder in gitops/apps without a line here gets an Application that may do nothing.
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
components:
"""


def add(gitops: Path, name: str) -> list[Path]:
    """Write the manifests of `name`; return the files that are new or changed. What is there stays as it is.

    Raises:
        BadInput: the name cannot be one, or this is no folder of manifests.
    """
    checked(name)
    if not (gitops / "base").is_dir():
        raise BadInput(
            f"{gitops} has no shared base",
            expected=f"the folder {gitops / 'base'}",
            hint="run it at the top of the repository",
        )
    files = {gitops / "argocd/models" / name / "kustomization.yaml": LET_IN.format(name=name)}
    for environment, components in COMPONENTS.items():
        folder = gitops / "apps" / name / environment
        files[folder / "kustomization.yaml"] = OVERLAY.format(
            name=name, environment=environment, components=components, domain=DOMAINS[environment]
        )
        files[folder / "release/kustomization.yaml"] = EMPTY
    changed = [path for path in files if not path.exists()]
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, files[path].encode())
    return changed + _listed(gitops / "argocd/models")


def _listed(models: Path) -> list[Path]:
    names = sorted(path.parent.name for path in models.glob("*/kustomization.yaml"))
    path, text = models / "kustomization.yaml", LIST + "".join(f"- {scalar(name)}\n" for name in names)
    if path.is_file() and path.read_text() == text:
        return []
    write_bytes(path, text.encode())
    return [path]


def main(words: list[str]) -> int:
    """Add the model that the command names."""
    try:
        changed = add(Path("gitops"), words[0])
    except SlipwayError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print("\n".join(map(str, changed)) if changed else f"nothing to do: {words[0]} has its manifests")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Write the JSON Schemas of the kinds in gitops/ from a cluster's own OpenAPI: `python tools/make_schemas.py`.

kubeconform reads them from tools/schemas. Unknown fields are refused. Run it again when gitops/ uses another kind
or a newer Argo, against a cluster of that version.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from slipway import programs

FOLDER = Path(__file__).parent / "schemas"
KINDS = [
    ("api/v1", ["Service", "ConfigMap", "ServiceAccount", "Namespace", "PersistentVolumeClaim"]),
    ("apis/admissionregistration.k8s.io/v1", ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"]),
    ("apis/apps/v1", ["Deployment"]),
    ("apis/autoscaling/v2", ["HorizontalPodAutoscaler"]),
    ("apis/networking.k8s.io/v1", ["Ingress", "NetworkPolicy"]),
    ("apis/policy/v1", ["PodDisruptionBudget"]),
    ("apis/rbac.authorization.k8s.io/v1", ["Role", "RoleBinding"]),
    ("apis/argoproj.io/v1alpha1", ["Rollout", "AnalysisTemplate", "Application", "ApplicationSet", "AppProject"]),
]
PROSE = ("description", "default", "example")
PREFIX = "#/components/schemas/"


def main() -> None:
    """Ask the API server and write one file a kind."""
    FOLDER.mkdir(exist_ok=True)
    for group, kinds in KINDS:
        text = programs.run(["kubectl", "get", "--raw", f"/openapi/v3/{group}"], capture_output=True, check=True)
        schemas: dict[str, Any] = json.loads(text.stdout)["components"]["schemas"]
        name = group.removeprefix("apis/").removeprefix("api/").split("/")
        version, domain = name[-1], name[0].split(".")[0] if len(name) > 1 else ""
        for kind in kinds:
            end = f".{kind}"
            found = next(s for n, s in schemas.items() if n.endswith(end) and _is(s, group, kind))
            file = "-".join(part for part in (kind.lower(), domain, version) if part)
            (FOLDER / f"{file}.json").write_text(json.dumps(_whole(found, schemas), separators=(",", ":")) + "\n")


def _is(schema: dict[str, Any], group: str, kind: str) -> bool:
    parts = group.split("/")
    wanted = {"group": parts[1] if parts[0] == "apis" else "", "version": parts[-1], "kind": kind}
    return wanted in schema.get("x-kubernetes-group-version-kind", [])


def _whole(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    used: dict[str, Any] = {}
    top: dict[str, Any] = _strict(schema, schemas, used)
    top["$schema"] = "http://json-schema.org/draft-07/schema#"
    top["definitions"] = used
    return top


def _strict(value: Any, schemas: dict[str, Any], used: dict[str, Any]) -> Any:
    """Copy a schema without its prose, refusing unknown fields, and collect what it refers to."""
    if isinstance(value, list):
        return [_strict(one, schemas, used) for one in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        name = value["$ref"].removeprefix(PREFIX)
        if name not in used:
            used[name] = {}
            used[name] = _strict(schemas[name], schemas, used)
        return {"$ref": f"#/definitions/{name}"}
    if set(value) - {"description", "default"} == {"allOf"} and len(value["allOf"]) == 1:
        return _strict(value["allOf"][0], schemas, used)
    if value.get("x-kubernetes-int-or-string") or value.get("format") == "int-or-string":
        return {"type": ["integer", "string"]}
    copy = {
        key: {name: _strict(one, schemas, used) for name, one in inner.items()}
        if key == "properties"
        else _strict(inner, schemas, used)
        for key, inner in value.items()
        if key not in PROSE and not key.startswith("x-kubernetes")
    }
    if "properties" in copy and not value.get("x-kubernetes-preserve-unknown-fields"):
        copy.setdefault("additionalProperties", False)
    return copy


if __name__ == "__main__":
    main()

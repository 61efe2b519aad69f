"""What the objects of an environment may be: the kinds that serve a model, in the environment's own namespace.

The AppProject holds the same list of kinds again, on the cluster.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from release.policy import pods
from release.policy.finding import Finding, named, strings
from slipway.redaction import PASSWORD_IN_ADDRESS

KINDS = frozenset(
    (
        ("argoproj.io", "Rollout"), ("argoproj.io", "AnalysisTemplate"), ("", "Service"), ("", "ConfigMap"),
        ("", "ServiceAccount"), ("networking.k8s.io", "Ingress"), ("networking.k8s.io", "NetworkPolicy"),
        ("autoscaling", "HorizontalPodAutoscaler"), ("policy", "PodDisruptionBudget"), ("", "PersistentVolumeClaim"),
    )
)  # fmt: skip
WHY = {
    "rbac.authorization.k8s.io": "grants rights; an administrator binds roles, not a release",
    "admissionregistration.k8s.io": "changes what the cluster admits",
    "apiextensions.k8s.io": "changes what the cluster knows",
}
WHY_KIND = {
    "Secret": "is a secret in Git; the pods name Secrets that are made elsewhere",
    "Namespace": "is the administrator's: its labels hold the pods to Pod Security",
    "Job": "runs outside the Rollout, as a hook would",
    "Pod": "runs outside the Rollout",
    "CronJob": "runs outside the Rollout",
    "Deployment": "takes traffic without analysis; a Rollout serves",
}
SYNC_OPTIONS = frozenset(("Prune=false", "Delete=false"))
INGRESS_ANNOTATIONS = frozenset(
    (
        "ssl-redirect",
        "ssl-redirect-code",
        "forwarded-for",
        "timeout-server",
        "response-set-header",
        "rate-limit-requests",
    )
)
EVERYWHERE = ("0.0.0.0/0", "::/0")
PLACEHOLDER = re.compile(r"\bMODEL\b")  # what the shared base calls its objects; no model can be called so


def check(documents: list[Mapping[str, Any]], namespace: str, digest: str | None) -> list[Finding]:
    """Look at the objects of one environment."""
    findings: list[Finding] = []
    for document in documents:
        where = named(document)
        findings += [*_kind(where, document), *_place(where, document, namespace), *_annotations(where, document)]
        findings += [*_texts(where, document), *_special(where, document, digest)]
    return findings


def _kind(where: str, document: Mapping[str, Any]) -> Iterator[Finding]:
    group = str(document.get("apiVersion", "")).rpartition("/")[0]
    kind = str(document.get("kind", ""))
    if (group, kind) not in KINDS:
        allowed = ", ".join(sorted(name for _, name in KINDS))
        why = WHY.get(group) or WHY_KIND.get(kind) or f"is not among what serves a model: {allowed}"
        yield Finding(where, "kind", f"{group + '/' if group else ''}{kind} {why}")


def _place(where: str, document: Mapping[str, Any], namespace: str) -> Iterator[Finding]:
    found = document.get("metadata", {}).get("namespace")
    if found != namespace:
        yield Finding(where, "namespace", f"is in namespace {found or 'of its own'}, not in {namespace}")


def _annotations(where: str, document: Mapping[str, Any]) -> Iterator[Finding]:
    for name, value in (document.get("metadata", {}).get("annotations") or {}).items():
        if name in ("argocd.argoproj.io/hook", "argocd.argoproj.io/hook-delete-policy") or name.startswith("helm.sh/"):
            yield Finding(where, "hook", f"{name} makes it a hook, which runs at every sync without approval")
        elif name == "argocd.argoproj.io/sync-options":
            for option in sorted({one.strip() for one in str(value).split(",")} - SYNC_OPTIONS):
                yield Finding(
                    where, "sync", f"{option} changes how Argo CD applies it; only {sorted(SYNC_OPTIONS)} may be"
                )
        elif name == "argocd.argoproj.io/ignore-healthcheck" and document.get("kind") != "HorizontalPodAutoscaler":
            yield Finding(where, "sync", f"{name} hides a failure")
        elif name == "argocd.argoproj.io/compare-options" and document.get("kind") != "ConfigMap":
            yield Finding(where, "sync", f"{name} hides drift")


def _texts(where: str, document: Mapping[str, Any]) -> Iterator[Finding]:
    for path, text in strings(document):
        if "-----BEGIN " in text or PASSWORD_IN_ADDRESS.search(text):
            yield Finding(where, "secret", f"{path.lstrip('.')} holds a key or a password; read it from a Secret")
        if PLACEHOLDER.search(text):
            yield Finding(where, "name", f"{path.lstrip('.')} is {text}: the name of the model is to be put there, by "
                          "replacements such as those of base/name")  # fmt: skip


def _special(where: str, document: Mapping[str, Any], digest: str | None) -> Iterator[Finding]:
    kind, spec = document.get("kind"), document.get("spec") or {}
    if kind == "Rollout":
        yield from _rollout(where, spec, digest)
    elif kind == "AnalysisTemplate":
        yield from _analysis(where, spec, digest)
    elif kind == "Service":
        yield from _service(where, spec)
    elif kind == "Ingress":
        yield from _ingress(where, document)
    elif kind == "NetworkPolicy":
        yield from _network(where, spec)
    elif kind == "PersistentVolumeClaim":
        yield from _claim(where, spec)
    elif kind == "ServiceAccount" and document.get("automountServiceAccountToken") is not False:
        yield Finding(where, "token", "automountServiceAccountToken must be false")
    elif kind == "ConfigMap" and (document.get("data") or {}).get("SLIPWAY_AUTH") == "off":
        yield Finding(where, "auth", "SLIPWAY_AUTH=off opens every route")


def _rollout(where: str, spec: Mapping[str, Any], digest: str | None) -> Iterator[Finding]:
    yield from pods.check(where, spec.get("template") or {}, digest)
    if set(spec.get("strategy") or {}) != {"blueGreen"}:
        yield Finding(where, "strategy", "must be blueGreen alone")
        return
    strategy = spec["strategy"]["blueGreen"]
    if not (strategy.get("prePromotionAnalysis") or {}).get("templates"):
        yield Finding(where, "analysis", "has no prePromotionAnalysis: nothing would judge the preview")
    if "autoPromotionSeconds" in strategy:
        yield Finding(where, "analysis", "autoPromotionSeconds promotes without waiting for the analysis")
    if "workloadRef" in spec:
        yield Finding(where, "strategy", "workloadRef brings in a second workload")


def _analysis(where: str, spec: Mapping[str, Any], digest: str | None) -> Iterator[Finding]:
    for argument in spec.get("args") or []:
        if "secretKeyRef" in (argument.get("valueFrom") or {}):
            yield Finding(where, "secret", f"argument {argument.get('name', '?')} hands a Secret to a query")
    for metric in spec.get("metrics") or []:
        for provider, content in (metric.get("provider") or {}).items():
            if provider == "job":
                template = (content.get("spec") or {}).get("template") or {}
                yield from pods.check(f"{where} {metric.get('name', '?')}", template, digest)
            elif provider == "prometheus":
                condition = str(metric.get("successCondition", ""))
                if "len(result)" not in condition or "isNaN(" not in condition:
                    yield Finding(where, "no-data", f"metric {metric.get('name', '?')} passes without data: its "
                                  "successCondition must ask len(result) and isNaN(…)")  # fmt: skip
            else:
                yield Finding(
                    where, "provider", f"metric {metric.get('name', '?')} asks {provider}; job or prometheus may"
                )


def _service(where: str, spec: Mapping[str, Any]) -> Iterator[Finding]:
    if spec.get("type", "ClusterIP") != "ClusterIP" or spec.get("externalIPs") or spec.get("externalName"):
        yield Finding(where, "exposed", "must be of type ClusterIP: callers come through the Ingress")
    if spec.get("selector"):
        yield Finding(where, "selector", "must have no selector: the Rollout's controller sets it, and a second "
                      "owner can point callers at a revision that was not analysed")  # fmt: skip


def _claim(where: str, spec: Mapping[str, Any]) -> Iterator[Finding]:
    for key in ("volumeName", "dataSource", "dataSourceRef", "selector"):
        if key in spec:
            yield Finding(where, "volume", f"{key} chooses what is on the volume; it must come empty")


def _network(where: str, spec: Mapping[str, Any]) -> Iterator[Finding]:
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for rule in spec.get(direction) or []:
            named_peers = rule.get(peers) or [{}]
            anywhere = any(not peer or (peer.get("ipBlock") or {}).get("cidr") in EVERYWHERE for peer in named_peers)
            if anywhere or any(peer.get("namespaceSelector") == {} for peer in named_peers):
                yield Finding(where, "network", f"a rule of {direction} admits every client; name them in {peers}")


def _ingress(where: str, document: Mapping[str, Any]) -> Iterator[Finding]:
    for name in document.get("metadata", {}).get("annotations") or {}:
        domain, _, key = name.rpartition("/")
        if domain.endswith(("haproxy.org", "nginx.ingress.kubernetes.io")) and key not in INGRESS_ANNOTATIONS:
            yield Finding(where, "ingress", f"{name} is not among {', '.join(sorted(INGRESS_ANNOTATIONS))}")
    spec = document.get("spec") or {}
    covered = {host for one in spec.get("tls") or [] for host in one.get("hosts") or []}
    for rule in spec.get("rules") or []:
        if rule.get("host") not in covered:
            yield Finding(where, "tls", f"host {rule.get('host', '*')} has no TLS")

"""What a pod may be: what Pod Security `restricted` asks, and a release's own image by digest.

The cluster's admission enforces the first half again; here it is said earlier, and of the
templates in Rollouts and analysis Jobs, which admission sees only when their pods are made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from release.policy.finding import Finding

PINNED = re.compile(r"^[^@\s]+@sha256:[0-9a-f]{64}$")
VOLUMES = frozenset(
    ("configMap", "secret", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "downwardAPI")
)
SHARED = ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace")
SECRET_NAME = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|PRIVATE_KEY|API_KEY", re.IGNORECASE)


def check(where: str, template: Mapping[str, Any], digest: str | None) -> list[Finding]:
    """Look at a pod template; `digest` is the release's, where every image must be the release's."""
    spec = template.get("spec") or {}
    findings = [*_pod(where, spec), *_volumes(where, spec)]
    for key in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(key) or []:
            at = f"{where} container {container.get('name', '?')}"
            findings += [*_image(at, container, digest), *_privileges(at, spec, container), *_needs(at, container)]
            findings += _environment(at, container)
    return findings


def _pod(where: str, spec: Mapping[str, Any]) -> Iterator[Finding]:
    for key in SHARED:
        if spec.get(key):
            yield Finding(where, "host", f"{key} shares what is not the pod's own")
    security = spec.get("securityContext") or {}
    if (security.get("seccompProfile") or {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield Finding(where, "seccomp", "securityContext.seccompProfile.type must be RuntimeDefault")
    if spec.get("automountServiceAccountToken") is not False:
        yield Finding(
            where, "token", "automountServiceAccountToken must be false: nothing here speaks to the API server"
        )
    for key in ("nodeName", "priorityClassName", "runtimeClassName"):
        if key in spec:
            yield Finding(where, "scheduling", f"{key} is the cluster's to say")


def _volumes(where: str, spec: Mapping[str, Any]) -> Iterator[Finding]:
    for volume in spec.get("volumes") or []:
        for kind in sorted(set(volume) - {"name"} - VOLUMES):
            why = "reaches into the node" if kind == "hostPath" else f"is none of {', '.join(sorted(VOLUMES))}"
            yield Finding(where, "volume", f"volume {volume.get('name', '?')}: {kind} {why}")
        for source in (volume.get("projected") or {}).get("sources") or []:
            if "serviceAccountToken" in source:
                yield Finding(where, "token", f"volume {volume.get('name', '?')} mounts a token of the API server")


def _image(where: str, container: Mapping[str, Any], digest: str | None) -> Iterator[Finding]:
    image = str(container.get("image", ""))
    if not PINNED.match(image):
        yield Finding(where, "image", f"image {image or 'missing'} has no digest; a tag can move")
    elif digest is not None and not image.endswith(f"@{digest}"):
        yield Finding(where, "image", f"image {image} is not the release's, {digest}")


def _privileges(where: str, spec: Mapping[str, Any], container: Mapping[str, Any]) -> Iterator[Finding]:
    pod, own = spec.get("securityContext") or {}, container.get("securityContext") or {}
    both = {**pod, **own}
    if both.get("runAsNonRoot") is not True or both.get("runAsUser") == 0:
        yield Finding(where, "root", "must not run as root: runAsNonRoot: true, and runAsUser not 0")
    if own.get("privileged"):
        yield Finding(where, "privileged", "privileged is root on the node")
    if own.get("allowPrivilegeEscalation") is not False:
        yield Finding(where, "escalation", "allowPrivilegeEscalation must be false")
    if own.get("readOnlyRootFilesystem") is not True:
        yield Finding(where, "filesystem", "readOnlyRootFilesystem must be true")
    capabilities = own.get("capabilities") or {}
    if capabilities.get("drop") != ["ALL"] or capabilities.get("add"):
        yield Finding(where, "capabilities", "capabilities must be drop: [ALL] and add nothing")
    if own.get("procMount", "Default") != "Default":
        yield Finding(where, "host", "procMount must be Default")
    if own.get("seccompProfile", {}).get("type", "RuntimeDefault") == "Unconfined":
        yield Finding(where, "seccomp", "seccompProfile must not be Unconfined")
    for port in container.get("ports") or []:
        if port.get("hostPort"):
            yield Finding(where, "host", f"hostPort {port['hostPort']} is a port of the node")


def _needs(where: str, container: Mapping[str, Any]) -> Iterator[Finding]:
    resources = container.get("resources") or {}
    for kind, names in (("requests", ("cpu", "memory")), ("limits", ("memory",))):
        for name in names:
            if name not in (resources.get(kind) or {}):
                yield Finding(where, "resources", f"resources.{kind}.{name} is missing")


def _environment(where: str, container: Mapping[str, Any]) -> Iterator[Finding]:
    for entry in container.get("env") or []:
        if SECRET_NAME.search(str(entry.get("name", ""))) and entry.get("value"):
            yield Finding(where, "secret", f"{entry['name']} has its value in Git; read it from a Secret")

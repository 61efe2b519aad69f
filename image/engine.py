"""The tool that builds and pushes images: buildah, podman or docker, whichever is there.

Owns every call of such a tool. Refuses to guess when none answers: the error names what was
looked for. Registries on a loopback address are spoken to without TLS, as Docker does; every
other needs it.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from slipway import programs
from slipway.errors import BadInput, Unavailable

ENGINES = ("buildah", "podman", "docker")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Engine:
    """One tool, found on PATH and alive."""

    name: str

    @property
    def is_docker(self) -> bool:
        """Docker spells flags in another way than buildah and podman."""
        return self.name == "docker"

    def build(
        self,
        containerfile: Path,
        context: Path,
        tag: str,
        *,
        epoch: int,
        arguments: Mapping[str, str],
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        insecure: bool = False,
        layers: bool = True,
    ) -> None:
        """Build `context` to a local image named `tag`; every time in it is `epoch`.

        `layers` keeps each step, so that the next build starts from it; without, what follows the
        base is one layer that is always made anew, and the image has no history.

        Raises:
            Unavailable: the tool failed; its last lines are in the error.
        """
        command = [
            self.name,
            *(("buildx", "build", "--load") if self.is_docker else ("build", f"--layers={layers}".lower())),
        ]
        if self.is_docker:
            command += ["--provenance=false", "--build-arg", f"SOURCE_DATE_EPOCH={epoch}"]
        else:
            command += ["--timestamp", str(epoch), *(["--tls-verify=false"] if insecure else [])]
        for name, value in sorted(arguments.items()):
            command += ["--build-arg", f"{name}={value}"]
        for name, value in sorted((labels or {}).items()):
            command += ["--label", f"{name}={value}"]
        if not self.is_docker and not layers:
            # buildah names what each step stood on: what an image was called in this store, cached steps of other days.
            command.append("--omit-history")
        if not self.is_docker:  # its images have none, and buildx takes them only where it pushes by itself
            for name, value in sorted((annotations or {}).items()):
                command += ["--annotation", f"{name}={value}"]
        self._run([*command, "--file", str(containerfile), "--tag", tag, str(context)], f"cannot build {tag}")

    def has(self, image: str) -> bool:
        """Say whether `image` is in the local store."""
        return _succeeds([self.name, *self._inspect(), image])

    def push(self, image: str, reference: str) -> str:
        """Push a local image to `reference` (HOST/PATH:TAG) and return the manifest's digest there."""
        if self.is_docker:
            self._run([self.name, "tag", image, reference], f"cannot tag {image}")
            return _digest_in(self._run([self.name, "push", reference], f"cannot push {reference}"), reference)
        return self._copy(image, f"docker://{reference}", insecure=is_loopback(reference))

    def digest(self, image: str) -> str | None:
        """Return the digest that a push of a local image would give; docker cannot tell before it."""
        if self.is_docker:
            return None
        with tempfile.TemporaryDirectory(prefix="slipway-oci-") as folder:
            return self._copy(image, f"oci:{folder}:image")

    def holds(self, reference: str) -> bool:
        """Say whether the registry serves `reference` (HOST/PATH@DIGEST)."""
        # buildah would be content with the same digest in the local store, from wherever it came.
        flags = ["--policy", "always"] if self.name == "buildah" else []
        if not self.is_docker and is_loopback(reference):
            flags.append("--tls-verify=false")
        return _succeeds([self.name, "pull", "--quiet", *flags, reference])

    def save(self, image: str, archive: Path) -> str:
        """Write a local image to a tar archive; return how syft names its format."""
        if self.is_docker:
            self._run([self.name, "save", "--output", str(archive), image], f"cannot save {image}")
            return "docker-archive"
        self._run([self.name, "push", "--quiet", image, f"oci-archive:{archive}"], f"cannot save {image}")
        return "oci-archive"

    def _inspect(self) -> tuple[str, ...]:
        return ("inspect", "--type", "image") if self.name == "buildah" else ("image", "inspect")

    def _copy(self, image: str, target: str, *, insecure: bool = False) -> str:
        with tempfile.NamedTemporaryFile(prefix="slipway-digest-") as file:
            flags = ["--quiet", "--digestfile", file.name, *(["--tls-verify=false"] if insecure else [])]
            self._run([self.name, "push", *flags, image, target], f"cannot push {image} to {target}")
            return _digest_in(Path(file.name).read_text(), target)

    def _run(self, command: list[str], failure: str) -> str:
        done = programs.run(command, capture_output=True, text=True)
        if done.returncode:
            output = "\n".join((done.stderr or done.stdout).strip().splitlines()[-8:])
            raise Unavailable(
                failure,
                expected=f"{self.name} to succeed",
                found=output or f"exit code {done.returncode}",
                hint="fix the cause above, then run the same command again: completed steps are not repeated",
            )
        return str(done.stdout)


def find(wanted: str | None = None) -> Engine:
    """Return the first of buildah, podman and docker that answers, or the one that is `wanted`.

    Raises:
        BadInput: `wanted` is none of the three.
        Unavailable: none answers.
    """
    if wanted is not None and wanted not in ENGINES:
        raise BadInput(
            f"`{wanted}` is not a supported image tool",
            expected=" or ".join(ENGINES),
            found=wanted,
            hint="choose one of these, or leave --engine out",
        )
    looked = [wanted] if wanted else list(ENGINES)
    seen = {name: _state(name) for name in looked}
    for name, state in seen.items():
        if state == "":
            return Engine(name)
    raise Unavailable(
        "no tool that can build images was found",
        expected=" or ".join(looked) + " on PATH, and answering",
        found=", ".join(f"{name}: {state}" for name, state in seen.items()),
        hint="apt-get install buildah  (dnf install buildah; or start Docker), then run the same command again",
    )


def is_loopback(reference: str) -> bool:
    """Say whether an image reference names a registry on this machine."""
    host = re.sub(r":\d+$", "", reference.partition("/")[0])
    return host in ("localhost", "[::1]") or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None


def _state(name: str) -> str:
    if shutil.which(name) is None:
        return "not found"
    if name == "docker" and not _succeeds([name, "info", "--format", "{{.ServerVersion}}"]):
        return "found, but its engine does not answer"
    return "" if _succeeds([name, "--version"]) else "found, but does not run"


def _succeeds(command: list[str]) -> bool:
    return programs.run(command, capture_output=True).returncode == 0


def _digest_in(text: str, target: str) -> str:
    found = DIGEST.search(text)
    if found is None:
        raise Unavailable(
            f"the push of {target} reported no digest",
            expected="sha256:…",
            found=json.dumps(text[-200:]),
            hint="check that the registry is reachable and takes OCI images, then run the same command again",
        )
    return found.group()

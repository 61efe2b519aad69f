"""Copy Python, and nothing that Python does not need, out of a base image into an empty root.

Runs inside the base image while the image is built, with the base's own Python and no other
package. The new root holds the interpreter, its standard library, the shared libraries that they
and manylinux wheels ask for, certificates, the user, and the records from which a scanner learns
the Debian packages that remain. It holds no shell, no package manager, no compiler.
"""

from __future__ import annotations

import compileall
import os
import py_compile
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

UID = 1034  # the user of every Bento image, so that one pod spec fits both
EPOCH = 315532800  # 1980-01-01, the earliest time that every archive format can hold
# Parts of the standard library that a server never imports.
UNUSED = ("test", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "pydoc_data")
# What manylinux wheels may expect of the system (PEP 600), beside what Python itself links.
MANYLINUX = ("libgcc_s.so.1", "libstdc++.so.6", "libz.so.1", "libdl.so.2", "libpthread.so.0",
             "librt.so.1", "libutil.so.1", "libm.so.6", "libresolv.so.2")  # fmt: skip
SYSTEM = (
    "/etc/ssl/certs/ca-certificates.crt", "/etc/nsswitch.conf", "/etc/os-release",
    "/etc/debian_version", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
)  # fmt: skip


class Root:
    """The new root, and the paths that were copied to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.copied: set[str] = set()

    def copy(self, source: Path) -> None:
        """Copy one file, and each link on the way to it, to the same path."""
        place = source.parent.resolve() / source.name
        if str(place) in self.copied or not os.path.lexists(place):
            return
        self.copied.add(str(place))
        target = self.folder / place.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if place.is_symlink():
            target.symlink_to(place.readlink())
            self.copy(place.parent / place.readlink())
        else:
            shutil.copy2(place, target)

    def copy_tree(self, source: Path, skip: Iterable[str] = ()) -> None:
        """Copy a folder without the entries named in `skip`."""
        for entry in sorted(source.iterdir()):
            if entry.name in skip or entry.name == "__pycache__":
                continue
            if entry.is_dir() and not entry.is_symlink():
                self.copy_tree(entry)
            else:
                self.copy(entry)


def build(folder: Path) -> None:
    """Fill `folder` with a root file system that can run this Python."""
    root = Root(folder)
    _skeleton(folder)
    stdlib = Path(sysconfig.get_path("stdlib"))
    for name in ("python3", "python"):
        if found := shutil.which(name):
            root.copy(Path(found))
    root.copy(Path(sys.executable))
    skip = {*UNUSED, "site-packages", "dist-packages", f"config-{_tag()}"}
    root.copy_tree(stdlib, skip | {p.name for p in stdlib.glob("config-*")})
    for library in sorted(_libraries(folder, stdlib)):
        root.copy(Path(library))
    for name in SYSTEM:
        path = Path(name)
        root.copy_tree(path) if path.is_dir() else root.copy(path)
    _packages(root)
    subprocess.run(["ldconfig", "-r", str(folder)], check=True)
    shutil.rmtree(folder / "var/cache", ignore_errors=True)
    compile_tree(folder / stdlib.relative_to("/"), stdlib)
    settle(folder)


def compile_tree(folder: Path, shown: Path) -> None:
    """Compile every module under `folder` to bytecode that never looks at a file's time.

    The bytecode names its source by `shown`, the folder's place in the image.
    """
    done = compileall.compile_dir(
        folder, maxlevels=50, quiet=1, stripdir=str(folder), prependdir=str(shown),
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )  # fmt: skip
    if not done:
        raise SystemExit(f"cannot compile every module under {folder}")


def settle(folder: Path) -> None:
    """Give every entry one time, so that the same content makes the same layer."""
    for place, _, files in os.walk(folder):
        for name in (*files, "."):
            os.utime(Path(place) / name, (EPOCH, EPOCH), follow_symlinks=False)


def _tag() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _skeleton(folder: Path) -> None:
    for name in ("dev", "proc", "sys", "run", "tmp", "etc", "usr/bin", "usr/lib", "home/slipway"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "tmp").chmod(0o1777)
    os.chown(folder / "home/slipway", UID, UID)
    for name in ("bin", "lib", "lib32", "lib64", "libx32", "sbin"):
        if (link := Path("/", name)).is_symlink():  # a merged /usr
            (folder / name).symlink_to(link.readlink())
            (folder / link.readlink()).mkdir(parents=True, exist_ok=True)
    (folder / "etc/passwd").write_text(
        f"root:x:0:0:root:/:/sbin/nologin\nslipway:x:{UID}:{UID}:slipway:/home/slipway:/sbin/nologin\n"
    )
    (folder / "etc/group").write_text(f"root:x:0:\nslipway:x:{UID}:\n")


def _libraries(folder: Path, stdlib: Path) -> set[str]:
    copied = folder / stdlib.relative_to("/")
    seeds = [Path(sys.executable), *sorted(copied.rglob("*.so"))]
    places = _search_path()
    seeds += [place / name for name in MANYLINUX for place in places if (place / name).exists()]
    found = {str(seed) for seed in seeds if not seed.is_relative_to(folder)}
    for seed in seeds:
        found |= _linked(seed)
    return found


def _search_path() -> list[Path]:
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    return [Path("/usr/lib", multiarch), Path("/lib", multiarch), Path("/usr/local/lib")]


def _linked(binary: Path) -> set[str]:
    lines = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, check=False)
    words = [word for line in lines.stdout.splitlines() for word in line.split()]
    return {word for word in words if word.startswith("/")}


def _packages(root: Root) -> None:
    """Keep dpkg's record and the licence of each package that still has a file here."""
    info = Path("/var/lib/dpkg/info")
    owners = set()
    for listing in sorted(info.glob("*.list")):
        paths = (Path(line) for line in listing.read_text().splitlines())
        if any(str(path.parent.resolve() / path.name) in root.copied for path in paths):
            owners.add(listing.name.removesuffix(".list").partition(":")[0])
    stanzas = Path("/var/lib/dpkg/status").read_text().strip().split("\n\n")
    kept = [s for s in stanzas if s.partition("\n")[0].removeprefix("Package: ") in owners]
    status = root.folder / "var/lib/dpkg/status"
    status.parent.mkdir(parents=True)
    status.write_text("\n\n".join(kept) + "\n")
    for name in sorted(owners):
        root.copy(Path("/usr/share/doc", name, "copyright"))


if __name__ == "__main__":
    if sys.argv[1] == "root":
        build(Path(sys.argv[2]))
    else:  # "compile FOLDER SHOWN"
        compile_tree(Path(sys.argv[2]), Path(sys.argv[3]))
        settle(Path(sys.argv[2]))

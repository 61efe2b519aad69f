"""`slipway changes`: what a branch changes, as Markdown for whoever reviews it.

Compares two commits: the parameters and metrics that DVC tracks, and what
kustomize makes of every overlay. Reads Git's objects only, so that nothing
that lies in the work tree is shown, and runs nothing of either commit.
"""

from __future__ import annotations

import io
import os
import re
import sys
import tarfile
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from release.git.diff import unified
from release.kustomize import build
from slipway import programs
from slipway.errors import BadInput, Unavailable

LONGEST = 60_000  # GitHub refuses a comment of more than 65,536 characters
LONGEST_SECTION = 24_000
TIMEOUT_SECONDS = 120
SHORT, HEADER = 12, 2  # digits of a commit; lines of a table without rows


def changes(top: Path, base: str, head: str, folder: str = "gitops") -> str:
    """Return what `head` changes since it left `base`, in Markdown.

    Raises:
        BadInput: one of the two is not a commit here, DVC cannot read one, or a link leads out of `folder`.
        Unavailable: git, dvc or kustomize is not installed.
    """
    old = _run(top, "git", "merge-base", "--end-of-options", base, head).strip()
    new = _run(top, "git", "rev-parse", "--verify", "--end-of-options", f"{head}^{{commit}}").strip()
    with ThreadPoolExecutor(2) as pool:  # each starts DVC, which takes its seconds to load
        tables = list(pool.map(lambda kind: _table(top, kind, old, new), ("params", "metrics")))
    sections = [
        f"## What this changes\n\n`{old[:SHORT]}` to `{new[:SHORT]}`.",
        _section("Parameters", tables[0]),
        _section("Metrics", tables[1]),
        *_manifests(top, old, new, folder),
    ]
    return _fitting(sections)


def _fitting(sections: list[str]) -> str:
    kept, left = [], LONGEST
    for section in sections:
        left -= len(section) + 2
        if left > 0:
            kept.append(section)
    missing = len(sections) - len(kept)
    note = [f"{missing} more differ and are too long to show here."] if missing else []
    return "\n\n".join([*kept, *note]) + "\n"


def _section(title: str, text: str) -> str:
    return f"### {title}\n\n{text.strip() or 'No change.'}"


def _table(top: Path, kind: str, old: str, new: str) -> str:
    text = _run(top, "dvc", kind, "diff", "--md", old[:SHORT], new[:SHORT])
    if len(text.strip().splitlines()) <= HEADER:
        return ""
    cells = re.sub(r"[<>`@]", " ", text)  # a name or value in a table must not become a link, a mention or HTML
    return cells if len(cells) <= LONGEST_SECTION else cells[:LONGEST_SECTION].rpartition("\n")[0] + "\n\nCut here."


def _manifests(top: Path, old: str, new: str, folder: str) -> list[str]:
    if not _run(top, "git", "diff", "--name-only", old, new, "--", f"{folder}/").strip():
        return [_section("Manifests", "")]
    with tempfile.TemporaryDirectory(prefix="slipway-changes-") as temporary:
        before, after = Path(temporary, "before"), Path(temporary, "after")
        for place, commit in ((before, old), (after, new)):
            _unpack(top, commit, folder, place)
        names = sorted({one.relative_to(place) for place in (before, after) for one in _overlays(place, folder)})
        found = {name: _overlay(before, after, name) for name in names}
    return _alike(found) or [_section("Manifests", "")]


def _alike(found: dict[Path, tuple[str, str]]) -> list[str]:
    """Return a section a difference: what a change of the base does to many models alike is shown once for all."""
    groups: dict[str, list[Path]] = {}
    for name, (text, _) in found.items():
        if text:
            groups.setdefault(_anonymous(text, name.parent.name), []).append(name)
    return [
        _section("; ".join(f"{one.parent.name} in {one.name}" for one in names), _fenced(*found[names[0]]))
        for names in groups.values()
    ]


def _anonymous(text: str, model: str) -> str:
    """Return a difference without the model's name, and without the hash of a ConfigMap, in which the name is too."""
    named = rf"(?<![a-z0-9-]){re.escape(model)}"
    return re.sub(rf"{named}(?![a-z0-9])", "MODEL", re.sub(rf"{named}-[a-z0-9]{{10}}(?![a-z0-9-])", "MODEL-HASH", text))


def _overlays(place: Path, folder: str) -> list[Path]:
    return [one.parent for one in place.glob(f"{folder}/apps/*/*/kustomization.yaml") if one.parent.name != "base"]


def _overlay(before: Path, after: Path, name: Path) -> tuple[str, str]:
    """Return what changes of an environment and the language of that; nothing where nothing changes."""
    try:
        old, new = (build(place / name) if (place / name).is_dir() else "" for place in (before, after))
    except BadInput as error:  # one overlay that cannot be built leaves the others their place
        return str(error), ""
    return unified(old, new, f"{name.parent.name} in {name.name}"), "diff"


def _fenced(text: str, language: str) -> str:
    cut = text if len(text) <= LONGEST_SECTION else text[:LONGEST_SECTION].rpartition("\n")[0] + "\n… cut here"
    longest = max((len(run) for run in re.findall(r"`{3,}", cut)), default=2)
    fence = "`" * (longest + 1)
    return f"<details open><summary>Rendered</summary>\n\n{fence}{language}\n{cut.rstrip()}\n{fence}\n\n</details>"


def _unpack(top: Path, commit: str, folder: str, place: Path) -> None:
    place.mkdir()
    if not _run(top, "git", "ls-tree", commit, "--", f"{folder}/").strip():
        return
    content = _call(top, "git", "archive", "--format=tar", commit, "--", folder)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = archive.getmembers()
        # tarfile's own filter is not in every Python 3.11. A tree of Git has no path that leads through a link.
        for one in sorted(members, key=lambda each: each.issym()):
            target = place / one.name
            if one.isdir():
                target.mkdir(parents=True, exist_ok=True)
            elif one.issym():
                target.symlink_to(one.linkname)
            elif (file := archive.extractfile(one)) is not None:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read())
    outside = [one for one in members if one.issym() and not _inside(place / one.name, place)]
    if outside:
        raise BadInput(
            f"{folder}/ of {commit[:SHORT]} leads outside itself",
            expected="links that stay in the folder, or none",
            found=f"{outside[0].name} is a link to {outside[0].linkname}",
            hint="replace the link by the file that it points to",
        )


def _inside(link: Path, place: Path) -> bool:
    try:
        return link.resolve().is_relative_to(place.resolve())
    except (OSError, RuntimeError):  # a link that leads to itself
        return False


def _run(top: Path, *words: str) -> str:
    return _call(top, *words).decode(errors="replace")


def _call(top: Path, *words: str) -> bytes:
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"  # DVC is installed beside this program
    environment = os.environ | {"PATH": path, "LC_ALL": "C"}
    try:
        ran = programs.run(words, cwd=top, capture_output=True, timeout=TIMEOUT_SECONDS, env=environment)
    except programs.NoAnswer as error:
        raise Unavailable(
            f"{words[0]} gave no answer", expected=f"one within {TIMEOUT_SECONDS} s", hint="run the same command again"
        ) from error
    if ran.returncode:
        raise BadInput(
            f"{' '.join(words[:3])} failed",
            found=ran.stderr.decode(errors="replace").strip()[-600:],
            hint="git fetch --unshallow origin, and name a commit with --base",
        )
    return bytes(ran.stdout)

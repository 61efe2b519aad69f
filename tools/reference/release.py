"""The page of the release file: its one form, and what each field is."""

from __future__ import annotations

from dataclasses import fields

from tools.reference.markdown import code, page, table
from tools.reference.meanings import complete
from tools.reference.sources import module


def found() -> dict[str, str]:
    """Give the form of each field, as the code refuses another."""
    release_file = module("release_file")
    return {field.name: release_file.FORMS[field.name] for field in fields(release_file.Release)}


def write() -> str:
    """Write the page."""
    release_file, forms = module("release_file"), found()
    explained = complete("release", set(forms))
    rows = ((code(name), code(form), explained[name]) for name, form in forms.items())
    return page(
        "The release file",
        "`gitops/apps/MODEL/ENVIRONMENT/release/kustomization.yaml` sets what an environment runs. It is in this form to the byte, and "
        "promotion copies it byte for byte; any other form is refused, so that two releases are equal exactly when their bytes are. What YAML could take for something else than text (a model called `no`) is in double quotes. A "
        "Component with neither images nor annotations means that nothing is released yet. What is done with it: [releases](release.md).",
        "```yaml\n" + release_file.TEXT.strip() + "\n```",
        table(("field", "form", "meaning"), rows),
    )

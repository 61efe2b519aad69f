"""The page of environment variables: every one that the code reads, found where it is read."""

from __future__ import annotations

import ast
import dataclasses
import re

from serving import settings
from tools.reference import commands
from tools.reference.markdown import cell, code, page, table
from tools.reference.meanings import complete
from tools.reference.sources import called, text, trees
from tools.rooms import ROOT

OURS = re.compile(r"SLIPWAY_[A-Z0-9]+(_[A-Z0-9]+)*")
ANY = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+|KUBECONFIG")
FILES = (
    "Makefile",
    ".github/*.mk",
    ".github/workflows/*.yml",
    "compose.yaml",
    "deploy/compose/run",
    "deploy/compose/Containerfile",
    "tools/kind-cluster",
    ".ci/run",
)
READERS = ("get", "getenv", "setdefault")


def server() -> dict[str, tuple[str, str]]:
    """Give default and meaning of each setting of the server."""
    found = {}
    for field in dataclasses.fields(settings.Settings):
        choices = field.metadata["choices"]
        meaning = field.metadata["text"] + (f" ({', '.join(choices)})" if choices else "")
        found[settings.PREFIX + field.name.upper()] = (str(field.default), meaning)
    return found


def options() -> dict[str, str]:
    """Give the variables that set an option, with the option."""
    return {
        option.envvar: f"{code(option.opts[0])} of {code(name)}: {option.help}"
        for _, name, command in commands.found()
        for option in command.params
        if isinstance(option.envvar, str) and hasattr(option, "help")
    }


def read() -> dict[str, list[str]]:
    """Find every variable that the code reads, with the rooms that read it."""
    places: dict[str, list[str]] = {}
    for path, tree in trees():
        for name in sorted(_names(tree)):
            places.setdefault(name, []).append(path.partition("/")[0])
    return {name: list(dict.fromkeys(rooms)) for name, rooms in places.items()}


def in_files() -> set[str]:
    """Find the variables of ours that make, Compose and the scripts name and no Python file does."""
    found: set[str] = set()
    for pattern in FILES:
        for path in ROOT.glob(pattern):
            found |= set(re.findall(r"\bSLIPWAY_[A-Z0-9_]*[A-Z0-9]", path.read_text(encoding="utf-8")))
    return found - set(read()) - set(server()) - set(options())


def write() -> str:
    """Write the page.

    Raises:
        Unexplained: a variable that nothing explains.
    """
    of_server, of_options, places = server(), options(), read()
    rest = complete("environment", set(places) - set(of_server) - set(of_options))
    filed = complete("files", in_files())
    asked = ((code(name), cell(meaning)) for name, meaning in sorted(of_options.items()))
    served = ((code(name), code(default), meaning) for name, (default, meaning) in of_server.items())
    explained = ((code(name), rest[name], ", ".join(code(place) for place in places[name])) for name in sorted(rest))
    return page(
        "Environment variables",
        "Where services are and who acts. They are read in entry points only; what changes the model is in [params.yaml](params.md), "
        "what runs is in `gitops/`.",
        "## Commands",
        table(("variable", "meaning", "read in"), explained),
        "## In place of an option",
        table(("variable", "option"), asked),
        "## Make, Compose and the tests",
        table(("variable", "meaning"), ((code(name), filed[name]) for name in sorted(filed))),
        "## The server",
        "Read once at the start, by `python -m serving` and so by `slipway serve` and the image. A value that does not parse stops the start "
        "and is named.",
        table(("variable", "default", "meaning"), served),
    )


def _names(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if (word := text(node)) and OURS.fullmatch(word):
            found.add(word)
        if isinstance(node, ast.Call) and called(node) in READERS and node.args:
            found |= _variable(node.args[0])
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and "environ" in ast.unparse(node.value):
            found |= _variable(node.slice)
    return found


def _variable(node: ast.expr) -> set[str]:
    word = text(node)
    return {word} if word and ANY.fullmatch(word) else set()

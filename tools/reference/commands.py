"""The page of the command line, from its Click objects."""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Iterator

import click

from slipway import cli
from tools.reference.markdown import cell, code, page, table

INTRODUCTION = """\
`slipway COMMAND --help` prints the same. Wherever a command takes `--json`, its result, or its error, is JSON on standard output.

| exit code | meaning |
|---|---|
| 0 | done, or nothing to do |
| 1 | unexpected: a defect of Slipway |
| 2 | wrong usage |
| 3 | bad input: data, parameters or an artifact are not what they must be |
| 4 | refused by a gate, a verdict or a rule |
| 5 | a service or a disk failed |

A command's page lists them where its codes mean more than that."""


def found() -> Iterator[tuple[str, str, click.Command]]:
    """Give every command with its group and its full name; one that has commands of its own before them."""
    context = click.Context(cli.slipway)
    for group, entries in cli.GROUPS.items():
        for name in entries:
            _, command, _ = cli.slipway.resolve_command(context, [name])
            if command is not None:
                yield from ((group, *each) for each in _walk(f"slipway {name}", command))


def write() -> str:
    """Write the page, in the groups of `slipway --help`."""
    sections = []
    for group, commands in itertools.groupby(found(), key=lambda each: each[0]):
        sections += [f"## {group}", *(_section(name, command) for _, name, command in commands)]
    return page("Commands", INTRODUCTION, *sections)


def _walk(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    for each, inner in sorted(getattr(command, "commands", {}).items()):
        yield from _walk(f"{name} {each}", inner)


def _section(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=name)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    options = [_option(each, context) for each in command.params if isinstance(each, click.Option) and not each.hidden]
    shown = table(("option", "meaning", "default"), options) if options else ""
    level = "###" if name.count(" ") == 1 else "####"
    return "\n\n".join(part for part in (f"{level} {name}", f"```\n{usage}\n```", _help(command), shown) if part)


def _help(command: click.Command) -> str:
    parts = []
    for block in re.split(r"\n\s*\n", inspect.cleandoc(command.help or "").replace("\b", "")):
        if block.startswith(("    ", "$ ")):
            lines = [line.strip() for line in block.strip("\n").splitlines()]
            parts.append("```console\n" + "\n".join(f"$ {line}" for line in lines) + "\n```")
        else:
            parts.append(cell(block))
    return "\n\n".join(parts)


def _option(option: click.Option, context: click.Context) -> tuple[str, str, str]:
    names = ", ".join(code(name) for name in [*option.opts, *option.secondary_opts])
    value = "" if option.is_flag else f" {option.make_metavar(context)}"
    text = (option.help or "").strip()
    default_note = re.search(r"\s*\[default: (.*)\]$", text)
    meaning = text[: default_note.start()] if default_note else text
    given = option.to_info_dict().get("default")
    default = (
        default_note[1] if default_note else "" if option.is_flag or given is None or callable(given) else str(given)
    )
    variable = f" Also {code(option.envvar)}." if isinstance(option.envvar, str) else ""
    needed = " Needed." if option.required else ""
    return (
        names + value,
        meaning + needed + variable,
        "" if default in ("()", "[]", "Sentinel.UNSET") else code(default),
    )

"""What the commands ask of MLflow's records, and how a record looks; REST, database and client each answer it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

NOT_THERE = "RESOURCE_DOES_NOT_EXIST"


@dataclass(frozen=True)
class Version:
    """A registered version as MLflow has it."""

    name: str
    number: int
    run_id: str
    created: int
    tags: dict[str, str]
    aliases: tuple[str, ...]


@dataclass(frozen=True)
class Experiment:
    """An experiment, and where it keeps its files."""

    id: str
    location: str


class Alias(NamedTuple):
    """An alias of a model, and the version that it names."""

    model: str
    alias: str
    number: int


class Refusal(Exception):
    """What MLflow refuses, by its own error code."""

    def __init__(self, error_code: str, message: str) -> None:
        super().__init__(f"{error_code}: {message}" if error_code else message)
        self.error_code = error_code


class Records(Protocol):
    """MLflow's records. Whatever goes wrong is an exception of the library's, or a `Refusal` with MLflow's code."""

    def versions(self, name: str | None) -> dict[str, list[Version]]:
        """Return the versions of every model, or of `name`, oldest first."""

    def set_alias(self, name: str, alias: str, number: int) -> None:
        """Move an alias."""

    def delete_alias(self, name: str, alias: str) -> None:
        """Take an alias away."""

    def set_tag(self, name: str, number: int, key: str, value: str) -> None:
        """Set one tag of a version."""

    def delete_tag(self, name: str, number: int, key: str) -> None:
        """Take one tag from a version."""

    def location(self, name: str, number: int) -> str:
        """Return the address of the folder with a version's files."""

    def lifecycle(self, run_id: str) -> str:
        """Return the stage of a run's life: `active` or `deleted`."""

    def experiment(self, name: str) -> Experiment | None:
        """Return the experiment of that name, be it deleted."""

    def logged_models(self, experiment_id: str) -> set[str]:
        """Return the ids of an experiment's logged models, deleted ones left out."""

    def knows_model(self, model_id: str) -> bool:
        """Return whether there is a row of a logged model, be it deleted."""


def by_model(names: Iterable[str], aliases: Iterable[Alias], versions: Iterable[Version]) -> dict[str, list[Version]]:
    """Return the versions by model, oldest first, each with its aliases; a model without versions has none."""
    named: dict[tuple[str, int], list[str]] = {}
    for model, alias, number in aliases:
        named.setdefault((model, number), []).append(alias)
    sorted_versions: dict[str, list[Version]] = {name: [] for name in names}
    for row in sorted(versions, key=lambda each: each.number):
        aliased = tuple(sorted(named.get((row.name, row.number), [])))
        version = Version(row.name, row.number, row.run_id, row.created, row.tags, aliased)
        sorted_versions.setdefault(row.name, []).append(version)
    return sorted_versions

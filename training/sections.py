"""What the sections of params.yaml are made of."""

from __future__ import annotations

from datetime import date
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Section(BaseModel):
    """A part of params.yaml: its keys are all there are, and nothing changes them."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, strict=True)


class Window(Section):
    """Days from `start` to `end`, both included."""

    start: date = Field(alias="from", strict=False)  # YAML gives a quoted day as text, which DVC insists on
    end: date = Field(alias="to", strict=False)

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.end < self.start:
            raise ValueError(f"ends on {self.end}, before it starts on {self.start}")
        return self

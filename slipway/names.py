"""What a model may be called: its name becomes a path, a tag, an image and an object of the cluster."""

from __future__ import annotations

import re

from slipway.errors import BadInput

NAME = r"[a-z0-9][a-z0-9-]{0,62}"


def checked(model: str) -> str:
    """Return a model's name.

    Raises:
        BadInput: it cannot be one.
    """
    if not re.fullmatch(NAME, model):
        raise BadInput(
            f"`{model}` is not a valid model name",
            expected="lower case letters, digits and hyphens",
            found=model,
            hint="slipway status",
        )
    return model

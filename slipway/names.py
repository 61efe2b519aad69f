"""What a model may be called: its name becomes a path, a tag, an image, a namespace and a Service of the cluster.

The one pattern of every room. A Service begins with a letter (RFC 1035), and 42 characters leave room for what the
cluster's objects append to it.
"""

from __future__ import annotations

import re

from slipway.errors import BadInput

NAME = r"(?:[a-z]|[a-z][a-z0-9-]{0,40}[a-z0-9])"
RULE = "lower case letters, digits and hyphens, at most 42, the first a letter, the last no hyphen"


def checked(model: str) -> str:
    """Return a model's name.

    Raises:
        BadInput: it cannot be one.
    """
    if not re.fullmatch(NAME, model):
        name = model.partition("@")[0]
        alone = "@" in model and re.fullmatch(NAME, name)
        raise BadInput(
            f"`{model}` is not a valid model name",
            expected="the model's name alone: every version of it is meant" if alone else RULE,
            found=model,
            hint=f"type the same with {name}" if alone else "slipway versions, which lists the models",
        )
    return model

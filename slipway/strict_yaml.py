"""YAML that a person wrote, read without its surprises: no key twice, no key that is not text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import yaml


def load(text: str) -> Any:
    """Read one document.

    Raises:
        yaml.YAMLError: it is not YAML, has a key twice, or a key that YAML does not read as text.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        """Refuse what SafeLoader resolves in silence."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            if isinstance(node, yaml.MappingNode):
                _refuse_odd_keys(self, node)
            return super().construct_mapping(node, deep=deep)

    return yaml.load(text, Loader)  # noqa: S506 - a SafeLoader


def _refuse_odd_keys(loader: yaml.SafeLoader, node: yaml.MappingNode) -> None:
    import yaml

    seen: set[str] = set()
    for key, _ in node.value:
        if key.tag == "tag:yaml.org,2002:merge":
            continue
        name = loader.construct_object(key) if isinstance(key, yaml.ScalarNode) else None
        if not isinstance(name, str):
            problem = f"the key `{getattr(key, 'value', '…')}` is read as {name!r}: put it in quotes"
        elif name in seen:
            problem = f"the key `{name}` is given twice"
        else:
            seen.add(name)
            continue
        raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)

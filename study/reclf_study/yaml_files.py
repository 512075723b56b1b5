"""YAML files, which are read here alone: within bounds, and with every key once.

    suite.yaml, published.yaml --read_yaml--> values

References (`*name`) are followed, so a file of a few lines can ask for 10^9 values ("billion
laughs"). They are counted before anything is made of them.
"""

from collections import Counter
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from reclf.config.foreign_files import check_size

MOST_BYTES = 2**18
MOST_VALUES = 2**15  # with those that references repeat


def read_yaml(path: Path) -> Any:
    """The values of a YAML file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: too large, no YAML, a key twice, or more values than a person writes; names the
            file.
    """
    check_size(path, MOST_BYTES)
    try:
        loader = _StrictLoader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        if node is None:
            return None
        if _count(node, {}) > MOST_VALUES:
            raise ValueError(f"with its references it has more than {MOST_VALUES:,} values")
        return loader.construct_document(node)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        why = "its values are nested too deeply" if isinstance(error, RecursionError) else error
        raise ValueError(f"{path} is no valid YAML: {why}") from error


def _count(node: yaml.Node, counted: dict[int, int]) -> int:
    """Values of a node, each as often as it is referred to."""
    if id(node) not in counted:
        counted[id(node)] = 1  # while it is counted: one in itself is refused
        inner = [] if isinstance(node, yaml.ScalarNode) else node.value
        if isinstance(node, yaml.MappingNode):
            inner = [part for pair in inner for part in pair]
        counted[id(node)] = 1 + sum(_count(part, counted) for part in inner)
    return counted[id(node)]


class _StrictLoader(yaml.SafeLoader):
    """A repeated key is refused; YAML alone would keep the last one."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        names = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        for key, count in names.items():
            if count > 1:
                problem = f"{key!r} is there twice"
                raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return super().construct_mapping(node, deep)

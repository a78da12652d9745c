"""YAML with line numbers: plain data, and the line on which each value was written."""

from __future__ import annotations

from typing import Any, Final

import yaml

from pdplan.errors import PdplanError, ScenarioError

MAX_DEPTH: Final = 32
MAX_NODES: Final = 200_000
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Path_ = tuple[str | int | float, ...]


def read_value(text: str) -> Any:
    """Parse one YAML value, such as the right-hand side of ``--set key=value``."""
    return yaml.load(text, Loader=_Loader)


def read_yaml(text: str, source: str) -> tuple[dict[str, Any], dict[Path_, int]]:
    """Parse YAML to a mapping and the line of each value; duplicate keys and deep nesting are refused."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise ScenarioError(
                f"{source}: empty: write at least version, model, accelerator, link and classes"
            )
        if not isinstance(node, yaml.MappingNode):
            raise ScenarioError(
                f"{source}:{node.start_mark.line + 1}: not a mapping: a scenario is 'key: value' lines"
            )
        reader = _Reader(loader, source)
        document = reader.read(node, (), 0)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f":{mark.line + 1}" if mark else ""
        raise ScenarioError(f"{source}{where}: not valid YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, PdplanError):
            raise
        raise ScenarioError(f"{source}: not valid YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise ScenarioError(
            f"{source}: nested too deeply: a scenario has at most {MAX_DEPTH} levels"
        ) from None
    finally:
        loader.dispose()
    return document, reader.lines


class _Reader:
    """Walks YAML nodes to plain data and remembers lines."""

    def __init__(self, loader: Any, source: str) -> None:
        self.loader = loader
        self.source = source
        self.lines: dict[Path_, int] = {}
        self.nodes = 0

    def read(self, node: Any, path: Path_, depth: int) -> Any:
        self.nodes += 1
        line = node.start_mark.line + 1
        self.lines[path] = line
        if depth > MAX_DEPTH or self.nodes > MAX_NODES:
            raise ScenarioError(f"{self.source}:{line}: nested too deeply or too large for a scenario")
        if isinstance(node, yaml.MappingNode):
            result: dict[Any, Any] = {}
            for key_node, value_node in node.value:
                key = self.loader.construct_object(key_node, deep=True)
                if not isinstance(key, (str, int, float)):
                    raise ScenarioError(f"{self.source}:{line}: key {key!r} is not a word or a number")
                if key in result:
                    raise ScenarioError(
                        f"{self.source}:{key_node.start_mark.line + 1}: key {key!r} is given twice"
                    )
                result[key] = self.read(value_node, (*path, key), depth + 1)
                self.lines[(*path, key)] = key_node.start_mark.line + 1
            return result
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*path, i), depth + 1) for i, item in enumerate(node.value)]
        return self.loader.construct_object(node, deep=True)

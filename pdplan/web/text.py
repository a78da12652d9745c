"""A scenario of the page as the file that it stands for."""

from __future__ import annotations

from typing import Any

import yaml


def scenario_yaml(document: dict[str, Any]) -> str:
    """Return the scenario as YAML, what is short on one line.

    Examples
    --------
    >>> print(scenario_yaml({"version": 1, "classes": [{"slo": {"ttft": {"p99": "2 s"}}}]}), end="")
    version: 1
    classes:
    - slo:
        ttft: {p99: 2 s}
    """
    return str(
        yaml.safe_dump(document, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)
    )

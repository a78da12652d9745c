"""How to get the same plan again: the scenario as YAML and the command."""

from __future__ import annotations

import shlex
from typing import Any

from pdplan.spec.scenario import Scenario


def scenario_yaml(scenario: Scenario) -> str:
    """Return what the scenario sets, as a file that `pdplan.Scenario.load` reads; defaults are left out.

    Examples
    --------
    >>> from pdplan.spec.builtin import builtin_scenario
    >>> from pdplan.spec.loading import parse_scenario
    >>> again = parse_scenario(scenario_yaml(builtin_scenario()))
    >>> again.model_dump(mode="json") == builtin_scenario().model_dump(mode="json")
    True
    """
    import yaml

    document = scenario.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    text: str = yaml.safe_dump(
        _plain(document), sort_keys=False, allow_unicode=True, width=88, default_flow_style=False
    )
    return text


def _plain(value: Any) -> Any:
    """Drop what is empty, so that the file shows what was said."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if v is not None and v != {}}
    return [_plain(v) for v in value] if isinstance(value, list) else value


def command(scenario: Scenario, *, verified: bool, requests: int | None, seed: int) -> str:
    """Return the command that plans the scenario of the report."""
    name = scenario.origin.source if scenario.origin.source.endswith((".yaml", ".yml", ".json")) else ""
    words = ["pdplan", "plan", name.replace("\\", "/").rsplit("/", 1)[-1] or "scenario.yaml"]
    if not verified:
        words.append("--no-verify")
    if requests is not None:
        words += ["--requests", str(requests)]
    if seed:
        words += ["--seed", str(seed)]
    return shlex.join([*words, "--report", "plan.html"])


def reads_files(scenario: Scenario) -> bool:
    """Whether the scenario names files beside it."""
    text = str(scenario.model_dump(mode="json", exclude_unset=True))
    return any(end in text for end in (".yaml", ".yml", ".json", ".csv", ".jsonl", ".parquet"))

"""Reading a scenario file: one clear line with file and line number for whatever is wrong with it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from pdplan.errors import ScenarioError, UnsupportedError
from pdplan.spec.blame import explain_validation, same_field
from pdplan.spec.scenario import Origin, Scenario
from pdplan.spec.yaml_lines import read_value, read_yaml

MAX_BYTES: Final = 4 * 2**20


def load_scenario(source: str, *, overrides: Sequence[str] = ()) -> Scenario:
    """Read a scenario from a path, or from standard input for ``-``.

    Parameters
    ----------
    source : str
        Path of a YAML (or JSON) file, or ``-``.
    overrides : sequence of str
        ``key=value`` settings applied before validation, e.g. ``classes.chat.rate=10 req/s``.

    Raises
    ------
    ScenarioError
        Unreadable, not YAML, not a mapping, unknown key, wrong value; the message names file and line.
    """
    if source == "-":
        return parse_scenario(
            _decode(sys.stdin.buffer.read(MAX_BYTES + 1), "standard input"), "standard input", overrides
        )
    path = Path(source)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ScenarioError(
            f"{source}: {reason}; give the path of a scenario file, or - for standard input"
        ) from None
    return parse_scenario(_decode(data, source), source, overrides)


def _decode(data: bytes, source: str) -> str:
    if len(data) > MAX_BYTES:
        raise ScenarioError(
            f"{source}: larger than {MAX_BYTES // 2**20} MiB: a scenario is a short YAML file"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ScenarioError(f"{source}: not UTF-8 text: a scenario is a YAML file") from None


def parse_scenario(text: str, source: str = "scenario", overrides: Sequence[str] = ()) -> Scenario:
    """Return the scenario written in ``text``; see `load_scenario`.

    Examples
    --------
    >>> parse_scenario("version: 1\\nmodle: llama-3.1-70b", "chat.yaml")
    Traceback (most recent call last):
    pdplan.errors.ScenarioError: chat.yaml:2: unknown key 'modle'; did you mean model?
    """
    document, lines = read_yaml(text, source)
    for setting in overrides:
        override(document, setting)
    return from_document(document, Origin(source, lines))


def from_document(document: Mapping[str, Any], origin: Origin) -> Scenario:
    """Validate a parsed document; the first thing wrong becomes one line."""
    try:
        scenario = Scenario.model_validate(document)
    except ValidationError as error:
        raise explain_validation(error, document, origin) from None
    except UnsupportedError as error:
        raise ScenarioError(f"{origin.source}: {error}") from None
    object.__setattr__(scenario, "_origin", origin)
    return scenario


def override(document: dict[str, Any], setting: str) -> None:
    """Apply ``a.b.c=value``; a class is named by its name or index."""
    key, sep, raw = setting.partition("=")
    if not sep or not key.strip():
        raise ScenarioError(f"--set {setting[:60]!r}: write key=value, e.g. classes.chat.rate='10 req/s'")
    try:
        value = read_value(raw)
    except (yaml.YAMLError, ValueError, RecursionError):  # ValueError: a date or a number that cannot be
        raise ScenarioError(f"--set {setting[:60]!r}: the value is not valid YAML") from None
    steps = key.strip().split(".")
    place: Any = document
    for depth, step in enumerate(steps):
        last = depth == len(steps) - 1
        if isinstance(place, list):
            index = next(
                (i for i, c in enumerate(place) if isinstance(c, dict) and c.get("name", "all") == step), None
            )
            if index is None and step.isdigit() and int(step) < len(place):
                index = int(step)
            if index is None:
                names = [str(c.get("name", "all")) for c in place if isinstance(c, dict)]
                raise ScenarioError(f"--set {key}: no class {step!r}; there are {', '.join(names)}")
            if last:
                raise ScenarioError(f"--set {key}: name a field of the class, e.g. {key}.rate")
            place = place[index]
        elif isinstance(place, dict):
            if last:
                for other in [
                    k for k in place if isinstance(k, str) and (same_field(k, step) or same_field(step, k))
                ]:
                    del place[other]
                place[step] = value
            else:
                if not isinstance(place.get(step), (dict, list)):
                    place[step] = {}
                place = place[step]
        else:
            raise ScenarioError(
                f"--set {key}: {'.'.join(steps[:depth])} holds a single value, nothing below it can be set"
            )

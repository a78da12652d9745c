"""What strangers send, checked before it is used: no files of the server, no bombs, one line about it."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final

import yaml

from pdplan.errors import InputError, UnknownNameError
from pdplan.spec.catalog import catalog_path
from pdplan.spec.loading import parse_scenario
from pdplan.spec.request_class import RequestClass
from pdplan.spec.scenario import Scenario
from pdplan.spec.trace_rate import TraceRate

#: Levels and values of a scenario; a real one has 6 and some hundred (a table of lengths among them).
MAX_DEPTH: Final = 24
MAX_EVENTS: Final = 20_000
_LINE: Final = 500
_FILES: Final = (".yaml", ".yml", ".csv", ".jsonl", ".json", ".gz")
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def one_line(text: object) -> str:
    """Return a message as one line without control characters, of bounded length.

    Examples
    --------
    >>> one_line("rate is 'a\\n\\x1b[31mb'")
    "rate is 'a [31mb'"
    """
    words = "".join(c if c.isprintable() else " " for c in str(text)).split()
    line = " ".join(words)
    return line if len(line) <= _LINE else line[: _LINE - 4] + " ..."


def plain_name(name: str) -> str:
    """Return the last part of a file's name, without what a path or a template could be made of.

    Examples
    --------
    >>> plain_name("../../etc/pass wd{{7*7}}.csv"), plain_name("..")
    ('pass-wd-7-7-.csv', 'upload')
    """
    last = re.split(r"[/\\\\]", name)[-1]
    return re.sub(r"[^A-Za-z0-9._]+", "-", last).lstrip(".-")[-80:] or "upload"


def check_text(text: str) -> None:
    """Refuse text that is too deep, too long or that refers to itself, without building anything of it.

    Raises
    ------
    InputError
        Nested too deeply, too many values, or a YAML alias.

    Examples
    --------
    >>> check_text("[" * 1000)
    Traceback (most recent call last):
    pdplan.errors.InputError: scenario:1: nested too deeply: a scenario has at most 24 levels
    """
    depth = 0
    try:
        for number, event in enumerate(yaml.parse(text, Loader=_Loader)):
            line = event.start_mark.line + 1 if event.start_mark else 1
            if isinstance(event, yaml.AliasEvent):
                raise InputError(f"scenario:{line}: YAML aliases (*name) are not taken here: write it out")
            if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                depth += 1
                if depth > MAX_DEPTH:
                    raise InputError(
                        f"scenario:{line}: nested too deeply: a scenario has at most {MAX_DEPTH} levels"
                    )
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                depth -= 1
            if number > MAX_EVENTS:
                raise InputError(f"scenario:{line}: more than {MAX_EVENTS:,} values: not a scenario")
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        # what is not YAML is named by the reader of scenarios, with its line


def read_scenario(text: str, *, files: Collection[str] = (), source: str = "scenario") -> Scenario:
    """Return the scenario that a stranger wrote.

    Parameters
    ----------
    text : str
        YAML or JSON.
    files : collection of str
        Names that are files beside ``source`` and may be read: uploads to this server.
    source : str
        What messages call it, and the path that ``files`` lie beside.

    Raises
    ------
    InputError
        Not a scenario, or one that names a file.
    """
    check_text(text)
    scenario = parse_scenario(text, source)
    check_names(scenario, files)
    return scenario


def check_names(scenario: Scenario, files: Collection[str] = ()) -> None:
    """Refuse every name that is neither in the catalog nor one of ``files``.

    Raises
    ------
    InputError
        A name that the planner would look up in the file system.
    """
    _require_known("model", "architectures", scenario.model)
    latency = scenario.latency
    if isinstance(latency, str) and latency != "roofline" and latency not in files:
        _require_plain("latency", "latency", latency)
    for c in scenario.classes:
        _check_class(c, files)


def _check_class(c: RequestClass, files: Collection[str]) -> None:
    if c.workload is not None and c.workload not in files:
        _require_plain(f"class {c.name}: workload", "workloads", c.workload)
    if isinstance(c.rate, TraceRate):
        _require_file(f"class {c.name}: rate", c.rate.trace, files)
    for field in ("prompt_tokens", "output_tokens"):
        form = getattr(c, field)
        if isinstance(form, dict) and "trace" in form:
            _require_file(f"class {c.name}: {field}", form["trace"], files)


def _require_known(field: str, kind: str, name: str) -> None:
    """Refuse what the catalog does not have; a path is never looked at."""
    try:
        catalog_path(kind, name)
    except UnknownNameError as error:
        raise InputError(f"{field}: {error}; files of the server are not read") from None


def _require_plain(field: str, kind: str, name: str) -> None:
    """Refuse also what the catalog has, if its name would be read as that of a file."""
    _require_known(field, kind, name)
    if "/" in name or name.endswith(_FILES):
        raise InputError(f"{field}: {name[:120]!r} reads like a file: write {catalog_path(kind, name).stem}")


def _require_file(field: str, name: object, files: Collection[str]) -> None:
    if name not in files:
        raise InputError(
            f"{field}: trace {str(name)[:120]!r} is a file, and files of the server are not read: "
            "give the rate and the lengths, or upload the trace on the page"
        )

"""From what a scenario says of its traffic to what the stations take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pdplan.errors import InputError, ScenarioError, UnsupportedError
from pdplan.serving.demand import ClassDemand
from pdplan.spec.catalog import catalog_document
from pdplan.spec.request_class import RequestClass
from pdplan.spec.scenario import Scenario
from pdplan.spec.slo import Slo
from pdplan.spec.trace_rate import TraceRate
from pdplan.workload import JointLengths, Trace, Workload, joint_lengths, length_law, load_workload

if TYPE_CHECKING:
    from pdplan.planner.trace_rate import TracedRate

#: Ends of names that are files and not entries of the catalog.
_FILE_SUFFIXES: Final = frozenset({".yaml", ".yml", ".csv", ".jsonl", ".json", ".gz"})


@dataclass(frozen=True, eq=False)
class ClassTraffic:
    """One class, assembled: its demand on the stations, its objectives, where its lengths come from.

    ``traced``: where its rate comes from, if from a trace.
    """

    demand: ClassDemand
    slo: Slo
    lengths_source: str
    traced: TracedRate | None = None

    @property
    def name(self) -> str:
        """The class."""
        return self.demand.name


def assemble_traffic(scenario: Scenario) -> tuple[ClassTraffic, ...]:
    """Return every class of the scenario with its rate and its atoms of lengths.

    Raises
    ------
    ScenarioError
        A workload that is unknown, lengths that contradict each other, an objective on the pace of
        tokens where every request has one; with file and line.
    """
    files = _Files(scenario)
    lengths = [_lengths(scenario, i, files) for i in range(len(scenario.classes))]
    for index, (joint, _) in enumerate(lengths):
        _check_objectives(scenario, index, joint)
    traced = [_traced(scenario, i, files) for i in range(len(scenario.classes))]
    rates = _rates(scenario, [joint for joint, _ in lengths], traced)
    return tuple(
        ClassTraffic(
            _demand(c, rate, joint, scenario.prefill.prefix_hit if c.prefix_hit is None else c.prefix_hit),
            c.slo,
            source,
            seen,
        )
        for c, rate, (joint, source), seen in zip(scenario.classes, rates, lengths, traced, strict=True)
    )


def _check_objectives(scenario: Scenario, index: int, joint: JointLengths) -> None:
    """Refuse TPOT and ITL objectives where no request has a second token."""
    c = scenario.classes[index]
    metrics = {target.metric for target in c.slo.targets} | ({"tpot"} if c.slo.joint else set())
    paced = sorted(metrics & {"tpot", "itl"})
    if paced and not (joint.output_tokens > 1).any():
        names = " and ".join(metric.upper() for metric in paced)
        raise ScenarioError(
            f"{scenario.origin.at(('classes', index, 'slo'))}: class {c.name}: every request has one output "
            f"token, so {names} is undefined; drop the objective, or give output_tokens above 1"
        )


def _demand(c: RequestClass, rate: float, joint: JointLengths, prefix_hit: float) -> ClassDemand:
    # A prompt is never cached whole: the engine computes at least its last token.
    cached = np.minimum(prefix_hit * joint.prompt_tokens, joint.prompt_tokens - 1.0)
    return ClassDemand(
        c.name,
        rate,
        joint.prompt_tokens,
        joint.output_tokens,
        joint.weight,
        np.maximum(cached, 0.0) if prefix_hit > 0 else None,
    )


def _rates(
    scenario: Scenario, joints: list[JointLengths], traced: Sequence[TracedRate | None]
) -> list[float]:
    """Requests per second of each class, from its rate or from the tokens of all classes together."""
    if scenario.total_tokens is None:
        return [
            float(c.rate or 0.0) if seen is None else seen.rate  # type: ignore[arg-type]
            for c, seen in zip(scenario.classes, traced, strict=True)
        ]
    shares = [1.0 if c.share is None else c.share for c in scenario.classes]
    tokens = sum(
        s * float(j.weight @ (j.prompt_tokens + j.output_tokens)) for s, j in zip(shares, joints, strict=True)
    )
    return [scenario.total_tokens / tokens * s for s in shares]


def _traced(scenario: Scenario, index: int, files: _Files) -> TracedRate | None:
    """Read the rate of a class from its trace, where it has one."""
    c = scenario.classes[index]
    if not isinstance(c.rate, TraceRate):
        return None
    from pdplan.planner.trace_rate import traced_rate  # few scenarios have one

    try:
        return traced_rate(c.rate, files.trace(c.rate.trace))
    except InputError as error:
        where = scenario.origin.at(("classes", index, "rate"))
        raise ScenarioError(f"{where}: class {c.name}: {error}") from None


def _lengths(scenario: Scenario, index: int, files: _Files) -> tuple[JointLengths, str]:
    c = scenario.classes[index]
    path: tuple[str | int, ...] = ("classes", index)
    try:
        if c.workload is not None:
            path = (*path, "workload")
            return files.workload(c.workload)
        if c.prompt_tokens is None and isinstance(c.rate, TraceRate):
            path = (*path, "rate")
            return files.lengths(c.rate.trace)
        path = (*path, "prompt_tokens")
        if _is_trace(c.prompt_tokens) or _is_trace(c.output_tokens):
            return files.lengths(_one_trace(c))
        prompt = length_law(c.prompt_tokens, "prompt_tokens")
        path = (*path[:-1], "output_tokens")
        output = length_law(c.output_tokens, "output_tokens")
        path = (*path[:-1], "length_correlation")
        return joint_lengths(prompt, output, c.length_correlation or 0.0), "lengths as written"
    except (ScenarioError, UnsupportedError):
        raise
    except InputError as error:
        where = scenario.origin.at(path)
        raise ScenarioError(f"{where}: class {c.name}: {error}") from None


class _Files:
    """The files that a scenario names, relative to its folder, each read once."""

    def __init__(self, scenario: Scenario) -> None:
        self._folder = Path(scenario.origin.source).parent
        self._read: dict[str, Workload] = {}

    def _file(self, name: str) -> Workload:
        if name not in self._read:
            self._read[name] = load_workload(self._folder / name)
        return self._read[name]

    def trace(self, name: str) -> Trace:
        """Return the requests of a trace file."""
        trace = self._file(name).trace
        if trace is None:
            raise InputError(f"{name} is a workload, not a trace: it has no requests to read a rate from")
        return trace

    def lengths(self, name: str) -> tuple[JointLengths, str]:
        """Return the lengths of a trace or workload file, and its name."""
        return self._file(name).joint(), name

    def workload(self, name: str) -> tuple[JointLengths, str]:
        """Return the lengths of a catalog workload or of a file."""
        if "/" in name or Path(name).suffix in _FILE_SUFFIXES:
            return self.lengths(name)
        return _catalog_lengths(name)


@cache
def _catalog_lengths(name: str) -> tuple[JointLengths, str]:
    """Return the lengths of a catalog workload, and its name; read once."""
    workload = Workload.from_document(catalog_document("workloads", name))
    return workload.joint(), workload.name


def _is_trace(form: Any) -> bool:
    return isinstance(form, dict) and "trace" in form


def _one_trace(c: RequestClass) -> str:
    """Return the trace file that gives both lengths."""
    files = {form["trace"] for form in (c.prompt_tokens, c.output_tokens) if isinstance(form, dict)}
    if len(files) != 1 or not (_is_trace(c.prompt_tokens) and _is_trace(c.output_tokens)):
        raise InputError(
            "a trace gives both lengths: write the same {trace: file} for prompt and output tokens"
        )
    return str(files.pop())

"""From what a scenario says of its traffic to what the stations take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pdplan.errors import InputError, ScenarioError, UnsupportedError
from pdplan.serving.demand import ClassDemand
from pdplan.spec.catalog import catalog_document
from pdplan.spec.scenario import RequestClass, Scenario
from pdplan.spec.slo import Slo
from pdplan.workload import JointLengths, Workload, joint_from_pairs, joint_lengths, length_law


@dataclass(frozen=True, eq=False)
class ClassTraffic:
    """One class, assembled: its demand on the stations, its objectives, and where its lengths come from."""

    demand: ClassDemand
    slo: Slo
    lengths_source: str

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
    lengths = [_lengths(scenario, i) for i in range(len(scenario.classes))]
    for index, (joint, _) in enumerate(lengths):
        _check_objectives(scenario, index, joint)
    rates = _rates(scenario, [joint for joint, _ in lengths])
    return tuple(
        ClassTraffic(
            _demand(c, rate, joint, scenario.prefill.prefix_hit if c.prefix_hit is None else c.prefix_hit),
            c.slo,
            source,
        )
        for c, rate, (joint, source) in zip(scenario.classes, rates, lengths, strict=True)
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


def _rates(scenario: Scenario, joints: list[JointLengths]) -> list[float]:
    """Requests per second of each class, from its rate or from the tokens of all classes together."""
    if scenario.total_tokens is None:
        return [c.rate or 0.0 for c in scenario.classes]
    shares = [1.0 if c.share is None else c.share for c in scenario.classes]
    tokens = sum(
        s * float(j.weight @ (j.prompt_tokens + j.output_tokens)) for s, j in zip(shares, joints, strict=True)
    )
    return [scenario.total_tokens / tokens * s for s in shares]


def _lengths(scenario: Scenario, index: int) -> tuple[JointLengths, str]:
    c = scenario.classes[index]
    path: tuple[str | int, ...] = ("classes", index)
    try:
        if c.workload is not None:
            path = (*path, "workload")
            workload = Workload.from_document(catalog_document("workloads", c.workload))
            return workload.joint(), workload.name
        if _is_trace(c.prompt_tokens) or _is_trace(c.output_tokens):
            path = (*path, "prompt_tokens")
            return _from_trace(scenario, c)
        path = (*path, "prompt_tokens")
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


def _is_trace(form: Any) -> bool:
    return isinstance(form, dict) and "trace" in form


def _from_trace(scenario: Scenario, c: RequestClass) -> tuple[JointLengths, str]:
    """Read both lengths from one trace file, relative to the scenario's folder."""
    files = {form["trace"] for form in (c.prompt_tokens, c.output_tokens) if isinstance(form, dict)}
    if len(files) != 1 or not (_is_trace(c.prompt_tokens) and _is_trace(c.output_tokens)):
        raise InputError(
            "a trace gives both lengths: write the same {trace: file} for prompt and output tokens"
        )
    name = str(files.pop())
    folder = Path(scenario.origin.source).parent
    from pdplan.workload import read_trace

    trace = read_trace(folder / name)
    return joint_from_pairs(trace.prompt_tokens, trace.output_tokens), name

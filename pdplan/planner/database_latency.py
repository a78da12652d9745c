"""A scenario whose step times come from a performance database that is installed beside pdplan."""

from __future__ import annotations

from pathlib import Path

from pdplan.errors import InputError
from pdplan.latency.aiconfigurator import SYSTEMS, DatabaseName, aiconfigurator_profile
from pdplan.latency.profile import LatencyProfile
from pdplan.spec.catalog import load_accelerator, load_model
from pdplan.spec.scenario import Scenario


def database_profile(scenario: Scenario, text: str) -> LatencyProfile:
    """Return the step times of the scenario's model at every TP that it may use.

    Raises
    ------
    InputError
        A database of another accelerator than the scenario's, or one that cannot answer.
    """
    _check_accelerators(scenario, DatabaseName.parse(text), text)
    model = load_model(scenario.model, base=Path(scenario.origin.source).parent)
    pools = [scenario.prefill.parallel, scenario.decode.parallel, scenario.colocated.parallel]
    return aiconfigurator_profile(
        text,
        model.name,
        weights_dtype=scenario.weights_dtype or model.weights_dtype,
        kv_dtype=scenario.kv_dtype,
        tps=tuple(sorted({tp for p in pools if p is not None for tp in p.tp if model.shape.heads % tp == 0})),
        longest_tokens=model.shape.max_context_tokens or 131072,
    )


def _check_accelerators(scenario: Scenario, name: DatabaseName, text: str) -> None:
    """Refuse step times of one accelerator for a pool of another."""
    for pool in (scenario.prefill, scenario.decode):
        accelerator = load_accelerator(pool.accelerator or scenario.accelerator).name
        if accelerator not in SYSTEMS[name.system]:
            other = next((s for s, names in SYSTEMS.items() if accelerator in names), None)
            remedy = f"write aiconfigurator:{other}/{name.backend}" if other else "it has no such system"
            raise InputError(
                f"{text} has step times of {SYSTEMS[name.system][0]}, not of {accelerator}: {remedy}"
            )

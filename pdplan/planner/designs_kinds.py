"""Every kind of instance that a search over designs may build a pool of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pdplan.errors import InfeasibleError, InputError, ScenarioError
from pdplan.planner.instances import InstanceOption, Role, instance_options
from pdplan.planner.problem import Problem
from pdplan.spec.catalog import load_accelerator
from pdplan.spec.scenario import Scenario
from pdplan.spec.search_space import SearchSpace


@dataclass(frozen=True, eq=False, slots=True)
class Kind:
    """An instance, and the scenario with the batch cap and the chunk size that it runs with."""

    option: InstanceOption
    scenario: Scenario

    @property
    def label(self) -> str:
        """E.g. ``TP4 on h100-sxm-80gb``."""
        return f"{self.option.label} on {self.option.accelerator.name}"


@dataclass(frozen=True, eq=False, slots=True)
class Kinds:
    """The instances of every role."""

    prefill: tuple[Kind, ...]
    decode: tuple[Kind, ...]
    colocated: tuple[Kind, ...]

    @property
    def options(self) -> list[InstanceOption]:
        """All of them."""
        return [k.option for k in (*self.prefill, *self.decode, *self.colocated)]


def roomy(problem: Problem, kinds: tuple[Kind, ...]) -> list[Kind]:
    """Kinds whose KV memory holds the longest request of a problem; one that is not known counts as room."""
    return [k for k in kinds if problem.holds_longest(k.option)]


def all_kinds(problem: Problem, space: SearchSpace) -> Kinds:
    """Return every kind of instance that scenario and search space allow.

    Raises
    ------
    ScenarioError
        An accelerator that is unknown, or that the step times are not of.
    InfeasibleError
        No instance of any role is possible.
    """
    _check(problem.scenario, space)
    kinds = Kinds(
        _of(problem, space, "prefill"), _of(problem, space, "decode"), _of(problem, space, "colocated")
    )
    if not kinds.colocated and not (kinds.prefill and kinds.decode):
        problem.options("prefill" if not kinds.prefill else "decode")  # says why
        raise InfeasibleError("no instance is possible")
    return kinds


def _check(scenario: Scenario, space: SearchSpace) -> None:
    """Refuse accelerators that are unknown or cannot be told apart."""
    for field, names in (("accelerators", space.accelerators), ("stock", tuple(space.stock))):
        for name in names:
            try:
                load_accelerator(name)
            except InputError as error:
                where = scenario.origin.at(("search", field))
                raise ScenarioError(f"{where}: search.{field}: {error}") from None
    others = sorted(set(space.accelerators) - {scenario.accelerator})
    if others and scenario.latency != "roofline":
        where = scenario.origin.at(("search", "accelerators"))
        raise ScenarioError(
            f"{where}: search.accelerators: the step times of this scenario are of {scenario.accelerator} "
            f"alone, and {others[0]} would be given the same: use latency: roofline"
        )


def _of(problem: Problem, space: SearchSpace, role: Role) -> tuple[Kind, ...]:
    kinds: list[Kind] = []
    for scenario in _variants(problem.scenario, space, role):
        try:
            options, _ = instance_options(scenario, role, problem.model, problem.link)
        except InfeasibleError:
            continue
        kinds += [Kind(option, scenario) for option in options]
    return tuple(kinds)


def _variants(scenario: Scenario, space: SearchSpace, role: Role) -> list[Scenario]:
    """One scenario for each accelerator, batch cap and chunk size of a role."""
    pool: Literal["prefill", "decode"] = "decode" if role == "decode" else "prefill"
    stated = getattr(scenario, pool)
    names = (stated.accelerator,) if stated.accelerator else space.accelerators or (scenario.accelerator,)
    varied = [
        scenario.model_copy(update={pool: stated.model_copy(update={"accelerator": name})}) for name in names
    ]
    if role == "prefill":
        return varied
    caps = space.max_batch or (getattr(scenario, role).max_batch,)
    varied = [_with(s, role, max_batch=cap) for s in varied for cap in caps]
    if role == "decode":
        return varied
    chunks = space.chunk_tokens or (scenario.colocated.chunk_tokens,)
    return [_with(s, role, chunk_tokens=chunk) for s in varied for chunk in chunks]


def _with(scenario: Scenario, role: Role, **update: int) -> Scenario:
    return scenario.model_copy(update={role: getattr(scenario, role).model_copy(update=update)})

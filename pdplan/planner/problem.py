"""A scenario assembled: everything the planner needs, resolved once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pdplan.errors import InfeasibleError, InputError, ScenarioError
from pdplan.latency.parameters import kv_bytes
from pdplan.planner.instance_book import InstanceBook
from pdplan.planner.instances import (
    InstanceOption,
    RejectedOption,
    Role,
    instance_options,
    with_measured_step_factor,
)
from pdplan.planner.traffic import ClassTraffic, assemble_traffic
from pdplan.serving.decode_work import DecodeWork
from pdplan.serving.demand import ClassDemand, pooled
from pdplan.spec.catalog import load_accelerator, load_link, load_model
from pdplan.spec.link import Link
from pdplan.spec.model_spec import ModelSpec
from pdplan.spec.scenario import Scenario

Array = NDArray[np.float64]

#: One request in so many may be longer than what instances must have room for.
BEYOND = 10_000


@dataclass(frozen=True, eq=False)
class Problem:
    """A scenario with its catalog entries loaded and its traffic as atoms of lengths."""

    scenario: Scenario
    model: ModelSpec
    link: Link
    traffic: tuple[ClassTraffic, ...]
    step_factor_from: str = ""  #: the profile that measured ``scenario.decode.step_factor``, if one did

    @cached_property
    def demands(self) -> tuple[ClassDemand, ...]:
        """Demand of every class."""
        return tuple(t.demand for t in self.traffic)

    @cached_property
    def demand(self) -> ClassDemand:
        """All classes pooled."""
        return pooled(self.demands)

    # ------------------------------------------------------------------ instances

    @cached_property
    def _built(self) -> InstanceBook:
        return InstanceBook(lambda role: instance_options(self.scenario, role, self.model, self.link))

    @cached_property
    def _options(self) -> dict[Role, tuple[list[InstanceOption], list[RejectedOption]]]:
        return {}

    def options(self, role: Role) -> list[InstanceOption]:
        """Instances that the scenario allows for a role.

        Raises
        ------
        InfeasibleError
            None is possible.
        """
        if role not in self._options:
            options, rejected = self._built.of(role)
            roomy = [o for o in options if self.holds_longest(o)]
            rejected = rejected + [self._too_small(o) for o in options if o not in roomy]
            if not roomy:
                raise InfeasibleError(f"no {role} instance is possible: {rejected[-1].why}")
            self._options[role] = roomy, rejected
        return self._options[role][0]

    @cached_property
    def _longest(self) -> dict[Role, int]:
        return {}

    def longest_tokens(self, role: Role) -> int:
        """KV of the longest request in an instance: its prompt in prefill, all of it elsewhere [tok].

        One in `BEYOND` may be longer: the far end of a law without an end is not a request to plan for.
        """
        if role not in self._longest:
            mix = self.demand
            tokens = mix.prompt_tokens if role == "prefill" else mix.prompt_tokens + mix.output_tokens + 1.0
            order = np.argsort(tokens)
            reached = np.cumsum(mix.weight[order]) / mix.weight.sum()
            at = min(int(np.searchsorted(reached, 1.0 - 1.0 / BEYOND)), tokens.size - 1)
            self._longest[role] = math.ceil(float(tokens[order][at]))
        return self._longest[role]

    def holds_longest(self, option: InstanceOption) -> bool:
        """Whether the KV memory of one rank of an instance holds the longest request; unknown memory does."""
        if option.kv_capacity_tokens is None:
            return True
        block = self.scenario.memory.block_tokens
        blocks = math.ceil(self.longest_tokens(option.role) / block)
        return blocks <= option.kv_capacity_tokens / option.dp_attention // block

    def _too_small(self, option: InstanceOption) -> RejectedOption:
        room = option.kv_capacity_tokens or 0.0
        why = (
            f"KV memory of {room / option.dp_attention:,.0f} tokens does not hold the longest requests, of "
            f"{self.longest_tokens(option.role):,}"
        )
        return RejectedOption(option.role, option.tp, option.pp, why, option.dp_attention, option.ep)

    def rejected(self, role: Role) -> list[RejectedOption]:
        """Parallelisms of a role that cannot be, and why."""
        self.options(role)
        return self._options[role][1]

    def own(self, option: InstanceOption) -> InstanceOption:
        """Return the instance here that an equal one of another problem stands for, room or not."""
        kind = (option.accelerator.name, option.degrees)
        return next(o for o in self._built.of(option.role)[0] if (o.accelerator.name, o.degrees) == kind)

    # ------------------------------------------------------------------ lengths

    @cached_property
    def decode_work(self) -> DecodeWork:
        """Steps and contexts of all classes together, as decode sees them."""
        return self.work_of(self.demand)

    def work_of(self, demand: ClassDemand) -> DecodeWork:
        """Steps and contexts of one class, as decode sees them."""
        scenario = self.scenario
        return DecodeWork.from_demand(demand, scenario.first_token_from, scenario.decode.tokens_per_step)

    def payload_bytes(self, demand: ClassDemand) -> Array:
        """KV bytes shipped at each atom: the prompt's, less what decode already holds [B]."""
        share = 1.0 - self.scenario.decode.prefix_hit
        payload = kv_bytes(self.model.shape, demand.prompt_tokens, self.scenario.kv_dtype)
        return np.asarray(share * payload, dtype=float)

    # ------------------------------------------------------------------ the same with something else

    def only(self, index: int) -> Problem:
        """Return the problem with one of its classes alone."""
        return self.with_traffic((self.traffic[index],))

    def with_traffic(self, traffic: tuple[ClassTraffic, ...]) -> Problem:
        """Return the problem under other traffic: the same instances, those that have room for it."""
        return self._lent(replace(self, traffic=traffic), "_built")

    def with_same_instances(self, traffic: tuple[ClassTraffic, ...]) -> Problem:
        """Return the problem under other rates of its classes: every instance has room for them."""
        return self._lent(replace(self, traffic=traffic), "_built", "_options")

    def with_same_lengths(self, traffic: tuple[ClassTraffic, ...]) -> Problem:
        """Return the problem under traffic of the same lengths in the same shares: rates, objectives."""
        return self._lent(replace(self, traffic=traffic), "_built", "_options", "_longest", "decode_work")

    def with_overlap(self, overlap: float) -> Problem:
        """Return the problem at another share of prefill that KV streaming may hide behind [-]."""
        other = replace(self, scenario=self.scenario.model_copy(update={"overlap": overlap}))
        return self._lent(other, "_built", "_options", "_longest", "decode_work")

    def with_instances(
        self, change: Callable[[InstanceOption], InstanceOption], link: Link | None = None
    ) -> Problem:
        """Return the problem with every instance changed: its step times, its share of the link."""
        other = replace(self, link=link or self.link)
        other.__dict__["_built"] = self._built.changed(change)
        return self._lent(other, "_longest", "decode_work")

    def with_kinds(self, prefill: InstanceOption, decode: InstanceOption) -> Problem:
        """Return the problem with one kind of instance for each pool."""
        other = self._lent(replace(self), "_built", "_longest")
        other._options["prefill"] = [prefill], self.rejected("prefill")
        other._options["decode"] = [decode], self.rejected("decode")
        return other

    def _lent(self, other: Problem, *names: str) -> Problem:
        """Keep what was computed here where it holds in another problem too."""
        for name in names:
            other.__dict__[name] = getattr(self, name)
        return other


def assemble(scenario: Scenario) -> Problem:
    """Load what a scenario names and turn its traffic into atoms.

    Raises
    ------
    ScenarioError
        A name or length that is wrong, with file and line.
    """
    origin = scenario.origin
    try:
        field = "model"
        model = load_model(scenario.model, base=Path(origin.source).parent)
        field = "link"
        link = _link(scenario)
        field = "accelerator"
        traffic = assemble_traffic(scenario)
        _check_accelerators(scenario)
        scenario, measured = with_measured_step_factor(scenario)
    except ScenarioError:
        raise
    except InputError as error:
        raise ScenarioError(f"{origin.at((field,))}: {field}: {error}") from None
    return Problem(scenario, model, link, traffic, measured)


def _link(scenario: Scenario) -> Link:
    """Return the link that carries KV, at the bandwidth that the scenario states, if it states one."""
    link, stated = load_link(scenario.link), scenario.link_bandwidth
    if stated is None:
        return link
    return link.model_copy(update={"bytes_per_s": stated, "software_cap_bytes_per_s": None})


def _check_accelerators(scenario: Scenario) -> None:
    """Refuse unknown accelerators where they are written."""
    written: Sequence[tuple[tuple[str, ...], str | None]] = (
        (("accelerator",), scenario.accelerator),
        (("prefill", "accelerator"), scenario.prefill.accelerator),
        (("decode", "accelerator"), scenario.decode.accelerator),
        *((("prices", name), name) for name in scenario.prices),
    )
    for path, name in written:
        if name is None:
            continue
        try:
            load_accelerator(name)
        except InputError as error:
            raise ScenarioError(f"{scenario.origin.at(path)}: {'.'.join(path)}: {error}") from None

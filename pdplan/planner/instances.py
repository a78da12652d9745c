"""The kinds of instance a pool may be built of: step times and memory, per accelerator and parallelism."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pdplan.errors import InfeasibleError, InputError, ScenarioError, UnsupportedError
from pdplan.latency.expert_degrees import Degrees
from pdplan.latency.expert_parallel import require_degrees
from pdplan.latency.memory import memory_fit, prefill_activation_bytes
from pdplan.latency.model import LatencyModel
from pdplan.latency.roofline import Roofline
from pdplan.planner.no_colocated import UNMODELLED
from pdplan.spec.accelerator import Accelerator
from pdplan.spec.catalog import catalog_document, load_accelerator
from pdplan.spec.link import Link
from pdplan.spec.model_spec import ModelSpec
from pdplan.spec.pools import Parallel
from pdplan.spec.scenario import InlineLatency, Scenario

if TYPE_CHECKING:
    from pdplan.latency.profile import LatencyProfile

Role = Literal["prefill", "decode", "colocated"]


@dataclass(frozen=True, eq=False)
class InstanceOption:
    """One kind of instance.

    ``kv_capacity_tokens`` is None where it is not known (a benchmark table without a model that fits).
    ``price_usd_per_hour`` is for the whole instance, as are batches and KV: those of all attention ranks.
    """

    role: Role
    accelerator: Accelerator
    tp: int
    pp: int
    latency: LatencyModel
    kv_capacity_tokens: float | None
    price_usd_per_hour: float
    link_bytes_per_s: float
    dp_attention: int = 1
    ep: int = 1

    @property
    def degrees(self) -> Degrees:
        """Its degrees of parallelism."""
        return Degrees(self.tp, self.pp, self.dp_attention, self.ep)

    @property
    def gpus(self) -> int:
        """GPUs of one instance."""
        return self.degrees.gpus

    @property
    def rank_link_bytes_per_s(self) -> float:
        """Bandwidth for the KV of one request: it lies in one attention rank, which has its NICs [B/s]."""
        return self.link_bytes_per_s / self.dp_attention

    @property
    def label(self) -> str:
        """E.g. ``TP4``, ``TP4 PP2`` or ``DP32 EP32``."""
        return str(self.degrees)


@dataclass(frozen=True, slots=True)
class RejectedOption:
    """A parallelism that was not tried, and why."""

    role: Role
    tp: int
    pp: int
    why: str
    dp_attention: int = 1
    ep: int = 1

    @property
    def label(self) -> str:
        """E.g. ``TP4`` or ``DP32 EP32``."""
        return str(Degrees(self.tp, self.pp, self.dp_attention, self.ep))


def instance_options(
    scenario: Scenario, role: Role, model: ModelSpec, link: Link
) -> tuple[list[InstanceOption], list[RejectedOption]]:
    """Return the instances that the scenario allows for one role, and those that cannot be.

    Raises
    ------
    InfeasibleError
        None is possible; the message is the reason of the last one.
    ScenarioError
        An unknown accelerator or profile.
    UnsupportedError
        Attention or expert parallelism where it is not modelled.
    """
    pool = scenario.decode if role == "decode" else scenario.prefill
    parallel = (scenario.colocated.parallel or pool.parallel) if role == "colocated" else pool.parallel
    accelerator = load_accelerator(pool.accelerator or scenario.accelerator)
    source = _LatencySource(scenario, model, accelerator)
    options: list[InstanceOption] = []
    rejected: list[RejectedOption] = []
    for degrees in source.degrees(parallel, role):
        try:
            options.append(_option(scenario, role, model, accelerator, link, source, degrees))
        except InfeasibleError as error:
            rejected.append(RejectedOption(role, degrees.tp, degrees.pp, str(error), *_spread(degrees)))
    if not options:
        raise InfeasibleError(f"no {role} instance is possible: {rejected[-1].why}")
    return options, rejected


def _spread(degrees: Degrees) -> tuple[int, int]:
    return degrees.dp_attention, degrees.ep


def _option(
    scenario: Scenario,
    role: Role,
    model: ModelSpec,
    accelerator: Accelerator,
    link: Link,
    source: _LatencySource,
    degrees: Degrees,
) -> InstanceOption:
    tp, gpus = degrees.tp, degrees.gpus
    node_gpus = scenario.node.gpus or accelerator.gpus_per_node
    domain = max(node_gpus, accelerator.scale_up_gpus)
    if tp > domain:
        raise InfeasibleError(f"TP {tp} leaves the scale-up domain of {domain} GPUs: use TP {domain} or PP")
    if model.shape.heads % tp:
        raise InfeasibleError(
            f"TP {tp} does not divide the {model.shape.heads} attention heads of {model.name}"
        )
    try:
        require_degrees(model.shape, tp, *_spread(degrees))
    except InputError as error:
        raise InfeasibleError(str(error)) from None
    nics = network_bytes_per_s(link, scenario, accelerator, node_gpus)
    latency = source.at(degrees, nics)
    capacity = getattr(latency, "kv_capacity_tokens", None)
    if capacity is None:
        capacity = _kv_capacity(scenario, role, model, accelerator, degrees)
    price = scenario.prices.get(accelerator.name, accelerator.price_usd_per_hour)
    return InstanceOption(
        role,
        accelerator,
        tp,
        degrees.pp,
        latency,
        capacity,
        gpus * price,
        link_share_bytes_per_s(link, scenario, accelerator, gpus, node_gpus),
        *_spread(degrees),
    )


def _kv_capacity(
    scenario: Scenario, role: Role, model: ModelSpec, accelerator: Accelerator, degrees: Degrees
) -> float:
    steps = {
        "prefill": scenario.prefill.max_batch_tokens,
        "decode": scenario.decode.max_batch,
        "colocated": scenario.colocated.chunk_tokens,
    }
    fit = memory_fit(
        model.shape,
        accelerator.memory_bytes,
        degrees.tp,
        degrees.pp,
        weights_dtype=weights_dtype(scenario, model),
        kv_dtype=scenario.kv_dtype,
        fraction=scenario.memory.fraction,
        reserve_bytes=scenario.memory.reserve,
        activation_bytes=prefill_activation_bytes(
            model.shape, steps[role] / degrees.dp_attention, degrees.tp
        ),
        block_tokens=scenario.memory.block_tokens,
        dp_attention=degrees.dp_attention,
        ep=degrees.ep,
    )
    return float(fit.kv_capacity_tokens)


def weights_dtype(scenario: Scenario, model: ModelSpec) -> str:
    """Return what the weights are stored in: as the scenario says, else as the model was released."""
    return scenario.weights_dtype or model.weights_dtype


def link_share_bytes_per_s(
    link: Link, scenario: Scenario, accelerator: Accelerator, gpus: int, node_gpus: int
) -> float:
    """Bandwidth that one instance has for KV, one direction [B/s].

    NICs of a node are shared by its GPUs: an instance of g of G GPUs has g/G of them. NVLink and PCIe belong
    to each GPU.
    """
    if link.kind in ("nvlink", "pcie"):
        return link.bandwidth_bytes_per_s(gpus)
    rate = node_nics(link, scenario, accelerator) * link.bytes_per_s * gpus / node_gpus
    cap = link.software_cap_bytes_per_s
    return rate if cap is None else min(rate, cap)


def network_bytes_per_s(link: Link, scenario: Scenario, accelerator: Accelerator, node_gpus: int) -> float:
    """Network rate of one GPU for experts beyond its scale-up domain, one direction [B/s].

    The NICs that carry KV, or the reference server's where KV goes over NVLink or PCIe.
    """
    if link.kind in ("nvlink", "pcie"):
        return accelerator.nics_per_node * accelerator.nic_bytes_per_s / accelerator.gpus_per_node
    return node_nics(link, scenario, accelerator) * link.bytes_per_s / node_gpus


def node_nics(link: Link, scenario: Scenario, accelerator: Accelerator) -> int:
    """NICs of a node: as written, as a measured link had, one for Ethernet, else the reference server's."""
    if scenario.node.nics is not None:
        return scenario.node.nics
    if link.kind == "ethernet" or link.nics_default > 1:
        return link.nics_default
    return accelerator.nics_per_node


class _LatencySource:
    """Where step times come from: the roofline, a profile, or a benchmark table written in the scenario."""

    def __init__(self, scenario: Scenario, model: ModelSpec, accelerator: Accelerator) -> None:
        self.scenario = scenario
        self.model = model
        self.accelerator = accelerator
        self.profile: LatencyProfile | None = None
        latency = scenario.latency
        if isinstance(latency, str) and latency != "roofline":
            self.profile = load_named_profile(scenario, latency)

    def degrees(self, parallel: Parallel, role: Role) -> list[Degrees]:
        """Return the degrees to try."""
        _refuse_unmodelled(self.scenario, parallel, role)
        asked = [
            Degrees(*each) for each in product(parallel.tp, parallel.pp, parallel.dp_attention, parallel.ep)
        ]
        # Lists of dp_attention and ep mean the pairs that go together.
        asked = [d for d in asked if d.dp_attention == 1 or d.ep in (1, d.tp * d.dp_attention)] or asked
        if isinstance(self.scenario.latency, InlineLatency) and len(asked) > 1:
            raise ScenarioError(
                f"{self.scenario.origin.at(('latency',))}: a benchmark table is of one parallelism: "
                f"say which, e.g. {role}: {{parallel: {{tp: 8}}}}"
            )
        if self.profile is None:
            return asked
        measured = self.profile.degrees
        both = [d for d in asked if (d.tp, d.pp) in measured]
        if not both:
            known = ", ".join(f"TP{tp}" + (f" PP{pp}" if pp > 1 else "") for tp, pp in measured)
            raise ScenarioError(
                f"{self.scenario.origin.at((role, 'parallel'))}: profile {self.profile.name} was measured at "
                f"{known} only: choose among these"
            )
        return both

    def at(self, degrees: Degrees, nic_bytes_per_s: float) -> LatencyModel:
        """Return the step times of an instance at one parallelism."""
        latency = self.scenario.latency
        if isinstance(latency, InlineLatency):
            from pdplan.latency.table import Tabulated

            return Tabulated.from_rates(
                latency.max_prefill,
                {float(b): t for b, t in latency.decode_table.items()},
                source="benchmark table of the scenario",
                overhead_s=latency.overhead,
            )
        if self.profile is not None:
            return self.profile.engine_model(degrees.tp, degrees.pp)
        return Roofline(
            self.model.shape,
            self.accelerator.device,
            tp=degrees.tp,
            pp=degrees.pp,
            weights_dtype=weights_dtype(self.scenario, self.model),
            kv_dtype=self.scenario.kv_dtype,
            dp_attention=degrees.dp_attention,
            ep=degrees.ep,
            nic_bytes_per_s=nic_bytes_per_s,
        )


def _refuse_unmodelled(scenario: Scenario, parallel: Parallel, role: Role) -> None:
    """Refuse by name what has attention ranks or spread experts and no model.

    Raises
    ------
    UnsupportedError
        Measured step times; colocated attention ranks; prompts that are not batched.
    """
    ranks = max(parallel.dp_attention) > 1
    if not ranks and max(parallel.ep) == 1:
        return
    at, name = scenario.origin.at((role, "parallel")), "dp_attention" if ranks else "ep"
    if scenario.latency != "roofline":
        raise UnsupportedError(
            f"{at}: {name} is modelled with latency: roofline only, measured step times do not say it: "
            "leave it out"
        )
    if ranks and role == "colocated" and scenario.colocated.parallel is None:
        raise InfeasibleError(
            f"dp_attention, taken over from the prefill pool, {UNMODELLED}: give theirs, "
            "e.g. colocated: {parallel: {tp: 8}}"
        )
    if ranks and role == "colocated":
        raise UnsupportedError(
            f"{at}: dp_attention {UNMODELLED}: give theirs, e.g. colocated: {{parallel: {{tp: 8}}}}"
        )
    if ranks and role == "prefill" and scenario.prefill.discipline != "batched":
        raise UnsupportedError(
            f"{at}: dp_attention is not modelled with prefill discipline {scenario.prefill.discipline}: "
            "ranks work in common steps, use batched"
        )


def with_measured_step_factor(scenario: Scenario) -> tuple[Scenario, str]:
    """Return the scenario with the step factor that its profile measured, and the profile's name.

    Where the scenario writes ``decode.step_factor`` itself, or no profile measured one, it stays as it is.
    """
    name = scenario.latency
    if not isinstance(name, str) or name == "roofline" or "step_factor" in scenario.decode.model_fields_set:
        return scenario, ""
    profile = load_named_profile(scenario, name)
    if profile.step_factor is None:
        return scenario, ""
    decode = scenario.decode.model_copy(update={"step_factor": profile.step_factor})
    return scenario.model_copy(update={"decode": decode}), profile.name


def load_named_profile(scenario: Scenario, name: str) -> LatencyProfile:
    """Read a profile by catalog name, from a file beside the scenario, or from an installed database."""
    from pdplan.latency.profile import LatencyProfile, load_profile

    path = Path(scenario.origin.source).parent / name
    try:
        if name.startswith("aiconfigurator:"):
            from pdplan.planner.database_latency import database_profile

            return database_profile(scenario, name)
        if path.suffix in (".yaml", ".yml"):
            return load_profile(path)
        return LatencyProfile.from_document(catalog_document("latency", name))
    except InputError as error:
        raise ScenarioError(f"{scenario.origin.at(('latency',))}: latency: {error}") from None

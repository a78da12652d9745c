"""What a deployment is, told plainly: the fleet of a plan with everything that a manifest needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from pdplan.checks import require_fraction, require_positive
from pdplan.errors import InputError
from pdplan.interop.deploy.names import require_model_id

Role = Literal["prefill", "decode", "colocated"]
Router = Literal["random", "round_robin", "least_work", "jsq", "power_of_two"]

#: Ports of a node are numbered by its GPUs, so that the ranges of a script stay apart.
MOST_NODE_GPUS: Final = 256


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """The instances of one role, all alike.

    Attributes
    ----------
    count, tp, pp : int
        Instances; tensor and pipeline parallel degrees of each [-].
    max_sequences : int or None
        Sequences served together by one instance; None: the engine's default [-].
    max_step_tokens : int or None
        Token budget of one step of one instance; None: the engine's default [tok].
    memory_fraction : float
        Share of GPU memory for weights, activations and KV [-].
    static_fraction : float
        Share of GPU memory for weights and KV alone [-].
    kv_capacity_tokens : int or None
        KV that one instance holds, as planned; None where the plan does not know [tok].
    node_gpus : int
        GPUs of one node [-].
    prefix_hit : float
        Share of prompt tokens that the plan expects in the prefix cache [-].
    """

    role: Role
    count: int
    tp: int
    pp: int
    accelerator: str
    vendor: str
    memory_bytes: float
    memory_bytes_per_s: float
    max_sequences: int | None
    max_step_tokens: int | None
    memory_fraction: float
    static_fraction: float
    kv_capacity_tokens: int | None
    node_gpus: int
    router: Router
    prefix_hit: float = 0.0

    def __post_init__(self) -> None:
        for name in ("count", "tp", "pp"):
            if getattr(self, name) < 1:
                raise InputError(f"{self.role} {name} is {getattr(self, name)}: it must be at least 1")
        if not 1 <= self.node_gpus <= MOST_NODE_GPUS:
            raise InputError(f"node.gpus is {self.node_gpus}: it must lie between 1 and {MOST_NODE_GPUS}")
        require_positive("memory_bytes", self.memory_bytes, "B")
        require_fraction("memory fraction", self.memory_fraction, open_low=True)
        require_fraction("static memory fraction", self.static_fraction, open_low=True)

    @property
    def gpus_each(self) -> int:
        """GPUs of one instance."""
        return self.tp * self.pp

    @property
    def gpus(self) -> int:
        """GPUs of the pool."""
        return self.count * self.gpus_each

    @property
    def label(self) -> str:
        """E.g. ``2 prefill TP4`` or ``1 colocated TP8 PP2``."""
        pp = f" PP{self.pp}" if self.pp > 1 else ""
        return f"{self.count} {self.role} TP{self.tp}{pp}"


@dataclass(frozen=True, slots=True)
class Wire:
    """What carries KV from one prefill instance to one decode instance, one direction."""

    name: str
    bytes_per_s: float
    startup_s: float


@dataclass(frozen=True, slots=True)
class Served:
    """One class of requests, for the header: its traffic, and its objectives with the planned values."""

    name: str
    rate: float
    prompt_tokens: float
    output_tokens: float
    objectives: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Deployment:
    """A fleet to be deployed: prefill and decode pools with a wire, or one colocated pool without.

    Attributes
    ----------
    title : str
        What the scenario is called.
    model_name, model_id : str
        The model as pdplan calls it; its Hugging Face id, or an absolute path on every node.
    weights_dtype, kv_dtype : str
        As planned.
    released_dtype : str or None
        What ``model_id`` stores its weights in; None: taken to be as planned.
    weights_bytes : float
        Size of the checkpoint [B].
    block_tokens : int
        Tokens of one KV block [tok].
    max_context_tokens : int or None
        Longest context that the model takes [tok].
    chunked : bool
        Colocated only: prompts are chunked into decode steps.
    tokens_per_step : float
        Tokens that one decode step yields, as planned (1 without speculation) [tok].
    checked : str
        What verification of the plan said.
    """

    title: str
    model_name: str
    model_id: str
    weights_dtype: str
    released_dtype: str | None
    kv_dtype: str
    weights_bytes: float
    block_tokens: int
    max_context_tokens: int | None
    pools: tuple[PoolSpec, ...]
    wire: Wire | None
    served: tuple[Served, ...]
    checked: str
    chunked: bool = True
    tokens_per_step: float = 1.0
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require_model_id(self.model_id)
        roles = tuple(p.role for p in self.pools)
        if roles not in (("prefill", "decode"), ("colocated",)):
            raise InputError(f"pools are {', '.join(roles)}: give prefill and decode, or colocated alone")
        if self.is_split != (self.wire is not None):
            raise InputError("a split fleet has a wire between its pools, a colocated one has none")

    @property
    def is_split(self) -> bool:
        """Whether prefill and decode run on instances of their own."""
        return self.pools[0].role == "prefill"

    @property
    def gpus(self) -> int:
        """GPUs of the fleet."""
        return sum(p.gpus for p in self.pools)

    @property
    def label(self) -> str:
        """E.g. ``1 prefill TP4 + 1 decode TP4``."""
        return " + ".join(p.label for p in self.pools)

    @property
    def accelerators(self) -> tuple[str, ...]:
        """Names of the accelerators, each once."""
        return tuple(dict.fromkeys(p.accelerator for p in self.pools))

    def pool(self, role: Role) -> PoolSpec:
        """Return the pool of one role."""
        return next(p for p in self.pools if p.role == role)

    def instances(self) -> Iterator[tuple[PoolSpec, int]]:
        """Yield (pool, index within it) of every instance."""
        for pool in self.pools:
            for index in range(pool.count):
                yield pool, index

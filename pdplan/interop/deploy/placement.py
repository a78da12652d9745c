"""Where instances go: nodes of equal size, tensor parallelism inside a node where it fits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pdplan.interop.deploy.record import Deployment, PoolSpec


@dataclass(frozen=True, slots=True)
class Placed:
    """One instance and its GPUs: the same GPUs of each of its nodes."""

    pool: PoolSpec
    index: int
    nodes: tuple[int, ...]
    gpus: tuple[int, ...]

    @property
    def name(self) -> str:
        """E.g. ``prefill 0``."""
        return f"{self.pool.role} {self.index}"

    @property
    def port_offset(self) -> int:
        """First GPU: no two instances of a node share it, so ports counted from it differ."""
        return self.gpus[0]


@dataclass(frozen=True, slots=True)
class Placement:
    """Every instance with its place, and the accelerator of every node."""

    placed: tuple[Placed, ...]
    node_accelerators: tuple[str, ...]

    @property
    def nodes(self) -> int:
        """Number of nodes."""
        return len(self.node_accelerators)

    def role(self, role: str) -> tuple[Placed, ...]:
        """Return the instances of one role."""
        return tuple(p for p in self.placed if p.pool.role == role)


def nodes_each(pool: PoolSpec) -> int:
    """Nodes that one instance spans, with the same number of GPUs on each.

    A tensor-parallel group stays inside a node, or fills whole ones.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from pdplan.interop.deploy.example import EXAMPLE
    >>> decode = EXAMPLE.pool("decode")
    >>> [nodes_each(replace(decode, tp=tp, pp=pp)) for tp, pp in ((4, 1), (8, 2), (4, 3), (16, 1))]
    [1, 2, 3, 2]
    """
    gpus = pool.gpus_each
    for nodes in range(-(-gpus // pool.node_gpus), gpus + 1):
        each, rest = divmod(gpus, nodes)
        if rest == 0 and (each % pool.tp == 0 or pool.tp % each == 0):
            return nodes
    return gpus


def place(deployment: Deployment) -> Placement:
    """Put every instance on nodes of one accelerator, the largest first, each where it fits first.

    An instance larger than a node takes nodes of its own.

    Examples
    --------
    >>> from pdplan.interop.deploy.example import EXAMPLE
    >>> placement = place(EXAMPLE)
    >>> placement.nodes, [(p.name, p.nodes, p.gpus) for p in placement.placed]
    (1, [('prefill 0', (0,), (0, 1, 2, 3)), ('decode 0', (0,), (4, 5, 6, 7))])
    """
    nodes: list[str] = []
    found: dict[tuple[str, int], Placed] = {}
    for accelerator in deployment.accelerators:
        pools = [p for p in deployment.pools if p.accelerator == accelerator]
        used: list[int] = []
        for pool in sorted(pools, key=lambda p: -p.gpus_each):
            for placed in _place_pool(pool, len(nodes), used):
                found[pool.role, placed.index] = placed
        nodes += [accelerator] * len(used)
    return Placement(tuple(found[p.role, i] for p, i in deployment.instances()), tuple(nodes))


def _place_pool(pool: PoolSpec, first_node: int, used: list[int]) -> Iterator[Placed]:
    """Place a pool on nodes numbered from ``first_node``, of which ``used`` GPUs are taken; take more."""
    span = nodes_each(pool)
    each = pool.gpus_each // span
    node = 0
    for index in range(pool.count):
        if span > 1:
            node = len(used)
            used += [pool.node_gpus] * span
            yield Placed(
                pool, index, tuple(range(first_node + node, first_node + node + span)), tuple(range(each))
            )
            continue
        while node < len(used) and used[node] + each > pool.node_gpus:
            node += 1
        if node == len(used):
            used.append(0)
        yield Placed(pool, index, (first_node + node,), tuple(range(used[node], used[node] + each)))
        used[node] += each

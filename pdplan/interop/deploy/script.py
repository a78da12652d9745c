"""Bash scripts that start servers: commands as lines of quoted words, laid out by one template."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pdplan.interop.deploy.flags import Option
from pdplan.interop.deploy.placement import Placed, Placement
from pdplan.interop.deploy.record import Deployment
from pdplan.interop.deploy.rendering import render

#: Visible GPUs are named by the vendor's own variable.
_VISIBLE = {"NVIDIA": "CUDA_VISIBLE_DEVICES", "AMD": "HIP_VISIBLE_DEVICES"}


@dataclass(frozen=True, slots=True)
class Command:
    """One server: what it is, its environment, and its words by line; all quoted for bash."""

    what: str
    envs: tuple[str, ...]
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Front:
    """What stands before the servers: a router or proxy."""

    what: str
    lines: tuple[str, ...]


def host(node: int) -> str:
    """Return the bash word that is the address of a node."""
    return f'"${{HOSTS[{node}]}}"'


def url(node: int, port: int) -> str:
    """Return the bash word that is the URL of a server."""
    return f'"http://${{HOSTS[{node}]}}:{port}"'


def visible_gpus(placed: Placed) -> str:
    """Return the assignment that shows an instance its GPUs.

    Examples
    --------
    >>> from pdplan.interop.deploy.example import EXAMPLE
    >>> from pdplan.interop.deploy.placement import place
    >>> visible_gpus(place(EXAMPLE).placed[1])
    'CUDA_VISIBLE_DEVICES=4,5,6,7'
    """
    return f"{_VISIBLE.get(placed.pool.vendor, 'CUDA_VISIBLE_DEVICES')}={','.join(map(str, placed.gpus))}"


def quoted_lines(options: Iterable[Option]) -> tuple[str, ...]:
    """Quote the words of each option, one option a line.

    Examples
    --------
    >>> quoted_lines([("--kv", '{"a":1}'), ("--flag",)])
    ('--kv \\'{"a":1}\\'', '--flag')
    """
    return tuple(shlex.join(option) for option in options)


def described(placed: Placed, rank: int) -> str:
    """Say what a command starts, e.g. ``prefill 0, TP4 on GPUs 0-3``."""
    pp = f" PP{placed.pool.pp}" if placed.pool.pp > 1 else ""
    first, last = placed.gpus[0], placed.gpus[-1]
    gpus = f"GPU {first}" if first == last else f"GPUs {first}-{last}"
    part = "" if len(placed.nodes) == 1 else f", part {rank + 1} of {len(placed.nodes)}"
    return f"{placed.name}, TP{placed.pool.tp}{pp} on {gpus}{part}"


def script(
    deployment: Deployment,
    placement: Placement,
    *,
    header: list[str],
    settings: Sequence[str],
    commands: Sequence[tuple[int, Command]],
    front: Front | None,
) -> str:
    """Lay out a script: each node's servers in a function, and the front in one."""
    nodes: list[list[Command]] = [[] for _ in range(placement.nodes)]
    for node, command in commands:
        nodes[node].append(command)
    hosts = ["127.0.0.1"] if len(nodes) == 1 else [f"ADDRESS_OF_NODE_{i}" for i in range(len(nodes))]
    return render(
        "servers.sh.j2",
        header=header,
        hosts=hosts,
        model=shlex.quote(deployment.model_id),
        settings=settings,
        nodes=nodes,
        front=front,
    )

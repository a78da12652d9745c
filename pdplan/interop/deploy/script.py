"""Bash scripts that start servers: commands as lines of quoted words, laid out by one template."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pdplan.interop.deploy.flags import Option
from pdplan.interop.deploy.header import header
from pdplan.interop.deploy.placement import Placed, Placement, place
from pdplan.interop.deploy.record import Deployment
from pdplan.interop.deploy.rendering import Export, Manifest, render

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


def script_export(
    deployment: Deployment,
    *,
    target: str,
    what: str,
    against: tuple[str, ...],
    edit: tuple[str, ...],
    notes: Sequence[str],
    settings: Sequence[str],
    command: Callable[[Deployment, Placed, int], Command],
    front: Callable[[Deployment, Placement], Front | None],
) -> Export:
    """Write the script that starts the servers of each node, and then their front.

    Parameters
    ----------
    deployment : Deployment
        What to start.
    target : str
        Name of the export and of its file, ``<target>-serve.sh``.
    what : str
        What runs on each node, for the header.
    against, edit, notes : sequences of str
        What the script was checked against, what to edit, and what to know; for the header.
    settings : sequence of str
        Assignments for the reader to edit.
    command : callable
        Deployment, instance and its rank among the instance's nodes -> what starts there.
    front : callable
        Deployment and placement -> what stands before the servers, or None.
    """
    placement = place(deployment)
    name = f"{target}-serve.sh"
    nodes: list[list[Command]] = [[] for _ in range(placement.nodes)]
    for placed in placement.placed:
        for rank, node in enumerate(placed.nodes):
            nodes[node].append(command(deployment, placed, rank))
    text = render(
        "servers.sh.j2",
        header=header(
            deployment,
            placement,
            what=f"{what} on each node (bash {name} node 0, ...; then bash {name} front)",
            against=against,
            edit=edit,
            notes=notes,
        ),
        hosts=["127.0.0.1"] if len(nodes) == 1 else [f"ADDRESS_OF_NODE_{i}" for i in range(len(nodes))],
        model=shlex.quote(deployment.model_id),
        settings=settings,
        nodes=nodes,
        front=front(deployment, placement),
    )
    return Export(target, (Manifest(name, text),), against, tuple(notes))

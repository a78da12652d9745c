"""Plain ``vllm serve``: a bash script with each instance's command, and the proxy that splits requests.

From https://github.com/vllm-project/vllm (Apache-2.0): docs/features/nixl_connector_usage.md at 026c83f (side
channel, connector, proxy), docs/features/nixl_connector_compatibility.md at 0a5110e, docs/serving/
parallelism_scaling.md at 096bd6a (several nodes without Ray), tests/v1/kv_connector/nixl_integration/
toy_proxy_server.py at 030ea52; and https://github.com/vllm-project/router README at 03e9af5 for colocated
instances. Ports: HTTP 8100, side channel 5600, master 29500, each plus the first GPU of the instance.
"""

from __future__ import annotations

from typing import Final

from pdplan.interop.deploy.flags import vllm_options
from pdplan.interop.deploy.limits import (
    common_notes,
    refuse_kv_dtype,
    refuse_pipeline_split,
)
from pdplan.interop.deploy.placement import Placed, Placement
from pdplan.interop.deploy.record import Deployment
from pdplan.interop.deploy.rendering import Export
from pdplan.interop.deploy.script import (
    Command,
    Front,
    described,
    host,
    quoted_lines,
    script_export,
    url,
    visible_gpus,
)

AGAINST: Final = (
    "vLLM: docs/features/nixl_connector_usage.md at 026c83f, docs/serving/parallelism_scaling.md at 096bd6a, "
    "toy_proxy_server.py at 030ea52 of github.com/vllm-project/vllm",
)
ROUTER_AGAINST: Final = "vllm-router: README of github.com/vllm-project/router at 03e9af5"
HTTP_PORT: Final = 8100
SIDE_CHANNEL_PORT: Final = 5600
MASTER_PORT: Final = 29500
#: router of the plan -> policy of vllm-router and sglang_router
POLICIES: Final = {
    "random": "random",
    "round_robin": "round_robin",
    "power_of_two": "power_of_two",
    "jsq": "power_of_two",
    "least_work": "power_of_two",
}


def vllm(deployment: Deployment) -> Export:
    """Write the script.

    Raises
    ------
    UnsupportedError
        KV neither 16 bits nor fp8, or split with pipeline parallelism.
    """
    refuse_kv_dtype(deployment, "vLLM")
    refuse_pipeline_split(deployment)
    against = AGAINST if deployment.is_split else (*AGAINST, ROUTER_AGAINST)
    notes = [*_routing_notes(deployment), *common_notes(deployment)]
    return script_export(
        deployment,
        target="vllm",
        what="vllm serve",
        against=against,
        edit=_edit(deployment),
        notes=notes,
        settings=_settings(deployment),
        command=_command,
        front=_front,
    )


def _command(deployment: Deployment, placed: Placed, rank: int) -> Command:
    offset, node = placed.port_offset, placed.nodes[rank]
    envs = [visible_gpus(placed)]
    if deployment.is_split:
        envs += [
            f"VLLM_NIXL_SIDE_CHANNEL_HOST={host(node)}",
            f"VLLM_NIXL_SIDE_CHANNEL_PORT={SIDE_CHANNEL_PORT + offset}",
            'UCX_NET_DEVICES="$UCX_DEVICES"',
        ]
    lines = ['vllm serve "$MODEL"', f"--host 0.0.0.0 --port {HTTP_PORT + offset}"]
    if len(placed.nodes) > 1:
        headless = " --headless" if rank else ""
        lines += [
            f"--nnodes {len(placed.nodes)} --node-rank {rank}{headless}",
            f"--master-addr {host(placed.nodes[0])} --master-port {MASTER_PORT + offset}",
        ]
    return Command(
        described(placed, rank), tuple(envs), (*lines, *quoted_lines(vllm_options(deployment, placed.pool)))
    )


def _settings(deployment: Deployment) -> list[str]:
    settings = ["# Port that clients use.", "FRONT_PORT=8000"]
    if deployment.is_split:
        settings += [
            "# vLLM's tests/v1/kv_connector/nixl_integration/toy_proxy_server.py.",
            "PROXY=${PROXY:-toy_proxy_server.py}",
            "# NICs for KV: all, or a list such as mlx5_0:1,mlx5_1:1.",
            "UCX_DEVICES=all",
        ]
    return settings


def _edit(deployment: Deployment) -> tuple[str, ...]:
    items = ["HOSTS and MODEL below; HF_TOKEN in the environment where the model is gated"]
    if deployment.is_split:
        items += [
            "pip install vllm nixl on every node, the same versions",
            "PROXY: the path of vLLM's toy_proxy_server.py, a demonstration; vllm-router "
            "--vllm-pd-disaggregation is the one for production",
            "UCX_DEVICES: the NICs of the planned link",
        ]
    else:
        items += ["pip install vllm on every node, vllm-router where the front runs"]
    return tuple(items)


def _front(deployment: Deployment, placement: Placement) -> Front | None:
    """The proxy of a split fleet, or the router of several colocated instances."""

    def ports(role: str) -> str:
        return " ".join(str(HTTP_PORT + p.port_offset) for p in placement.role(role))

    def hosts(role: str) -> str:
        return " ".join(host(p.nodes[0]) for p in placement.role(role))

    if deployment.is_split:
        return Front(
            "proxy",
            (
                'python3 "$PROXY"',
                '--host 0.0.0.0 --port "$FRONT_PORT"',
                f"--prefiller-hosts {hosts('prefill')}",
                f"--prefiller-ports {ports('prefill')}",
                f"--decoder-hosts {hosts('decode')}",
                f"--decoder-ports {ports('decode')}",
            ),
        )
    if deployment.pools[0].count == 1:
        return None
    urls = " ".join(url(p.nodes[0], HTTP_PORT + p.port_offset) for p in placement.placed)
    return Front(
        "router",
        (
            "vllm-router",
            '--host 0.0.0.0 --port "$FRONT_PORT"',
            f"--policy {POLICIES[deployment.pools[0].router]}",
            f"--worker-urls {urls}",
        ),
    )


def _routing_notes(deployment: Deployment) -> list[str]:
    if deployment.is_split:
        other = [f"{p.role} {p.router}" for p in deployment.pools if p.router != "round_robin"]
        return [f"the plan routes {', '.join(other)}; the proxy deals in turn (round_robin)"] if other else []
    router = deployment.pools[0].router
    return (
        []
        if POLICIES[router] == router
        else [f"the plan routes {router}; the nearest policy is power_of_two"]
    )

"""SGLang: a bash script with each instance's ``sglang.launch_server``, and the router.

From https://github.com/sgl-project/sglang (Apache-2.0): docs/advanced_features/pd_disaggregation.md at
08edc50, server_arguments.md at 004813e, router.md at 046ed66. Ports: HTTP 30000, bootstrap 8998, dist-init
20000, each plus the first GPU of the instance.
"""

from __future__ import annotations

from typing import Final

from pdplan.interop.deploy.flags import sglang_options
from pdplan.interop.deploy.limits import (
    common_notes,
    refuse_kv_dtype,
    refuse_pipeline_mismatch,
)
from pdplan.interop.deploy.placement import Placed, Placement
from pdplan.interop.deploy.record import Deployment
from pdplan.interop.deploy.rendering import Export
from pdplan.interop.deploy.script import (
    Command,
    Front,
    described,
    quoted_lines,
    script_export,
    url,
    visible_gpus,
)
from pdplan.interop.deploy.vllm import POLICIES

AGAINST: Final = (
    "SGLang: docs/advanced_features/pd_disaggregation.md at 08edc50, server_arguments.md at 004813e and "
    "router.md at 046ed66 of github.com/sgl-project/sglang",
)
HTTP_PORT: Final = 30000
BOOTSTRAP_PORT: Final = 8998
DIST_PORT: Final = 20000


def sglang(deployment: Deployment) -> Export:
    """Write the script.

    Raises
    ------
    UnsupportedError
        KV neither 16 bits nor fp8, or pipeline degrees that KV transfer does not take.
    """
    refuse_kv_dtype(deployment, "SGLang")
    refuse_pipeline_mismatch(deployment)
    notes = [*_notes(deployment), *common_notes(deployment)]
    return script_export(
        deployment,
        target="sglang",
        what="SGLang",
        against=AGAINST,
        edit=_edit(deployment),
        notes=notes,
        settings=_settings(deployment),
        command=_command,
        front=_front,
    )


def _command(deployment: Deployment, placed: Placed, rank: int) -> Command:
    offset = placed.port_offset
    envs = [visible_gpus(placed)]
    lines = [
        'python3 -m sglang.launch_server --model-path "$MODEL"',
        f"--host 0.0.0.0 --port {HTTP_PORT + offset}",
    ]
    if deployment.is_split:
        lines.append(
            f'--disaggregation-mode {placed.pool.role} --disaggregation-transfer-backend "$TRANSFER"'
        )
    if placed.pool.role == "prefill":
        lines.append(f"--disaggregation-bootstrap-port {BOOTSTRAP_PORT + offset}")
    if len(placed.nodes) > 1:
        lines.append(
            f'--dist-init-addr "${{HOSTS[{placed.nodes[0]}]}}:{DIST_PORT + offset}" '
            f"--nnodes {len(placed.nodes)} --node-rank {rank}"
        )
    return Command(
        described(placed, rank), tuple(envs), (*lines, *quoted_lines(sglang_options(deployment, placed.pool)))
    )


def _settings(deployment: Deployment) -> list[str]:
    settings = ["# Port that clients use.", "FRONT_PORT=8000"]
    if deployment.is_split:
        settings += ["# What moves KV: nixl or mooncake.", "TRANSFER=nixl"]
    return settings


def _edit(deployment: Deployment) -> tuple[str, ...]:
    items = ["HOSTS and MODEL below; HF_TOKEN in the environment where the model is gated"]
    items += [
        "pip install sglang on every node, sglang-router where the front runs",
        "--mem-fraction-static: the planned share of weights and KV; lower it if memory runs out at start",
    ]
    if deployment.is_split:
        items.append(
            "TRANSFER: nixl needs pip install nixl; mooncake needs mooncake-transfer-engine and "
            "--disaggregation-ib-device"
        )
    return tuple(items)


def _front(deployment: Deployment, placement: Placement) -> Front | None:
    """The router, in its split or its plain mode; none before one colocated instance."""
    lead = ("python3 -m sglang_router.launch_router", '--host 0.0.0.0 --port "$FRONT_PORT"')

    def at(placed: Placed) -> str:
        return url(placed.nodes[0], HTTP_PORT + placed.port_offset)

    if deployment.is_split:
        prefill, decode = deployment.pools
        return Front(
            "router",
            (
                *lead,
                "--pd-disaggregation",
                f"--prefill-policy {POLICIES[prefill.router]} --decode-policy {POLICIES[decode.router]}",
                *(f"--prefill {at(p)} {BOOTSTRAP_PORT + p.port_offset}" for p in placement.role("prefill")),
                *(f"--decode {at(p)}" for p in placement.role("decode")),
            ),
        )
    if deployment.pools[0].count == 1:
        return None
    urls = " ".join(at(p) for p in placement.placed)
    return Front(
        "router", (*lead, f"--policy {POLICIES[deployment.pools[0].router]}", f"--worker-urls {urls}")
    )


def _notes(deployment: Deployment) -> list[str]:
    far = [f"{p.role} {p.router}" for p in deployment.pools if POLICIES[p.router] != p.router]
    return [f"the plan routes {', '.join(far)}; the nearest policy is power_of_two"] if far else []

"""NVIDIA Dynamo: a DynamoGraphDeployment with vLLM workers.

Fields from https://github.com/ai-dynamo/dynamo (Apache-2.0): examples/backends/vllm/deploy/disagg.yaml,
agg_router.yaml, disagg-multinode.yaml and README.md at 88396aa (Dynamo 1.2.0), the Go types of
deploy/operator/api/v1alpha1 (replicas, envs, envFromSecret, resources, multinode, extraPodSpec), and the
router modes of dynamo.frontend. Later operators serve v1alpha1 beside v1beta1 and convert it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pdplan.interop.deploy.flags import vllm_options
from pdplan.interop.deploy.header import header
from pdplan.interop.deploy.limits import (
    common_notes,
    refuse_kv_dtype,
    refuse_other_vendors,
    refuse_paths,
    refuse_pipeline_split,
)
from pdplan.interop.deploy.names import k8s_name
from pdplan.interop.deploy.placement import nodes_each, place
from pdplan.interop.deploy.record import Deployment, PoolSpec
from pdplan.interop.deploy.rendering import Export, Manifest, render

IMAGE: Final = "nvcr.io/nvidia/ai-dynamo/vllm-runtime:1.2.0-post.1"
AGAINST: Final = (
    "Dynamo 1.2.0: examples/backends/vllm/deploy and deploy/operator/api/v1alpha1 of "
    "github.com/ai-dynamo/dynamo at 88396aa (v1alpha1; newer operators convert it to v1beta1)",
)
#: Grove joins the names of graph, service and replica, and allows 45 characters for all.
_NAME_LIMIT: Final = 20
_SERVICES: Final = {"prefill": "VllmPrefillWorker", "decode": "VllmDecodeWorker", "colocated": "VllmWorker"}
_ROUTER_MODES: Final = {"round_robin": "round-robin", "random": "random"}


@dataclass(frozen=True, slots=True)
class _Worker:
    service: str
    label: str
    sub_component: str
    replicas: int
    nodes: int
    gpus: str
    args: tuple[str, ...]


def dynamo(deployment: Deployment, *, namespace: str | None = None) -> Export:
    """Write the graph: a frontend, and a service for each pool.

    Raises
    ------
    UnsupportedError
        Not NVIDIA, KV neither 16 bits nor fp8, split with pipeline parallelism, or a model that is a path.
    """
    refuse_other_vendors(deployment, "Dynamo's runtime image")
    refuse_kv_dtype(deployment, "vLLM")
    refuse_pipeline_split(deployment)
    refuse_paths(deployment, "Dynamo", "a Hugging Face id, cached in a volume if you like")
    name = k8s_name(deployment.model_name, "-pd" if deployment.is_split else "", limit=_NAME_LIMIT)
    envs, notes = _router(deployment)
    notes += common_notes(deployment)
    head = header(
        deployment,
        place(deployment),
        what="DynamoGraphDeployment (kubectl apply -f this file)",
        against=AGAINST,
        edit=(
            f"image: {IMAGE}, or your own",
            "secret hf-token-secret with HF_TOKEN: kubectl create secret generic hf-token-secret "
            "--from-literal=HF_TOKEN=...",
            "the model cache: a ReadWriteMany volume, commented out below",
            "node selectors and tolerations of your cluster, under extraPodSpec",
        ),
        notes=notes,
    )
    text = render(
        "dynamo.yaml.j2",
        header=head,
        name=name,
        namespace=namespace,
        image=IMAGE,
        router_envs=envs,
        workers=[_worker(deployment, pool) for pool in deployment.pools],
    )
    return Export("dynamo", (Manifest("dynamo.yaml", text),), AGAINST, tuple(notes))


def _worker(deployment: Deployment, pool: PoolSpec) -> _Worker:
    nodes = nodes_each(pool)
    args = ["--model", deployment.model_id]
    if deployment.is_split:
        args += ["--disaggregation-mode", pool.role]
    for option in vllm_options(deployment, pool):
        args += option
    return _Worker(
        _SERVICES[pool.role],
        f"{pool.label}: {pool.gpus_each} GPUs each",
        pool.role if deployment.is_split else "",
        pool.count,
        nodes,
        str(pool.gpus_each // nodes),
        tuple(args),
    )


def _router(deployment: Deployment) -> tuple[list[tuple[str, str]], list[str]]:
    """Environment of the frontend; one mode serves both pools."""
    planned = deployment.pools[0].router
    notes = []
    if any(p.router != planned for p in deployment.pools):
        notes.append(
            f"the plan routes prefill {planned} and decode {deployment.pools[1].router}: Dynamo's frontend "
            "has one mode for both, here the prefill's"
        )
    if planned in _ROUTER_MODES:
        return [("DYN_ROUTER_MODE", _ROUTER_MODES[planned])], notes
    notes.append(
        f"the plan routes {planned}: Dynamo's nearest mode is kv, which weighs the load of each worker"
    )
    return [("DYN_ROUTER_MODE", "kv"), ("DYN_ROUTER_USE_KV_EVENTS", "false")], notes

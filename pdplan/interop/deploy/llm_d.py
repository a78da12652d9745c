"""llm-d: values of the llm-d-modelservice chart, and of the inferencepool chart that routes to it.

Fields from charts/llm-d-modelservice (values.yaml, values.schema.json, templates/_helpers.tpl, examples/
values-pd.yaml) of https://github.com/llm-d-incubation/llm-d-modelservice at v0.4.12 (Apache-2.0), and from
guides/pd-disaggregation (ms-pd/values.yaml, gaie-pd/values.yaml) of https://github.com/llm-d/llm-d with
llm-d-inference-scheduler v0.5.0. CPU, host memory and /dev/shm of a pod are those of that guide. The chart
sets ``--tensor-parallel-size``, ``--port`` and ``--served-model-name`` itself; it counts GPUs as tensor x
dataLocal, so pipeline parallelism needs the GPU resource written out, which it respects.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from pdplan.errors import UnsupportedError
from pdplan.interop.deploy.flags import vllm_options
from pdplan.interop.deploy.header import header
from pdplan.interop.deploy.limits import (
    common_notes,
    refuse_kv_dtype,
    refuse_paths,
    refuse_pipeline_split,
)
from pdplan.interop.deploy.names import k8s_name
from pdplan.interop.deploy.placement import Placement, nodes_each, place
from pdplan.interop.deploy.record import Deployment, PoolSpec
from pdplan.interop.deploy.rendering import Export, Manifest, render

IMAGE: Final = "ghcr.io/llm-d/llm-d-cuda:latest"
ROCM_IMAGE: Final = "YOUR_REGISTRY/llm-d-rocm:TAG"
SCHEDULER_TAG: Final = "v0.5.0"
AGAINST: Final = (
    "llm-d-modelservice chart v0.4.12 (github.com/llm-d-incubation/llm-d-modelservice at 3051935)",
    "llm-d guide pd-disaggregation with llm-d-inference-scheduler v0.5.0 (github.com/llm-d/llm-d at 126f65d)",
)
#: vendor -> (accelerator.type of the chart, resource of the device plugin)
_ACCELERATORS: Final = {"NVIDIA": ("nvidia", "nvidia.com/gpu"), "AMD": ("amd", "amd.com/gpu")}
#: Room for the checkpoint, and for what is downloaded beside it.
_DISK_HEADROOM: Final = 1.2
_GATEWAY: Final = "a Gateway, and an HTTPRoute to the InferencePool: see the guide"


@dataclass(frozen=True, slots=True)
class _Pool:
    key: str
    label: str
    accelerator: str
    replicas: int
    tp: int
    gpus: int
    port: int
    args: tuple[str, ...]


def llm_d(deployment: Deployment, *, namespace: str | None = None) -> Export:
    """Write the values of both charts.

    Raises
    ------
    UnsupportedError
        An instance larger than a node, two vendors, KV neither 16 bits nor fp8, split with pipeline
        parallelism, or a model that is a path.
    """
    refuse_kv_dtype(deployment, "vLLM")
    refuse_pipeline_split(deployment)
    refuse_paths(
        deployment, "llm-d", "a Hugging Face id; set modelArtifacts.uri to pvc://CLAIM/PATH afterwards"
    )
    accelerator_type, gpu_resource = _accelerator(deployment)
    for pool in deployment.pools:
        if nodes_each(pool) > 1:
            raise UnsupportedError(
                f"one {pool.role} instance takes {pool.gpus_each} GPUs, a node has {pool.node_gpus}: "
                "the llm-d chart spreads an instance over nodes by data parallelism alone; export --to "
                "dynamo or vllm"
            )
    name = k8s_name(deployment.model_name)
    labels = [("llm-d.ai/inference-serving", "true"), ("llm-d.ai/model", name)]
    notes = [*_routing_notes(deployment), *common_notes(deployment)]
    placement = place(deployment)
    where = f" -n {namespace}" if namespace else ""
    release = k8s_name(deployment.model_name, limit=30)
    service = render(
        "llm-d-modelservice.yaml.j2",
        header=_head(
            deployment,
            placement,
            f"values of the llm-d-modelservice chart (helm install ms-{release} "
            f"llm-d-modelservice/llm-d-modelservice --version v0.4.12 -f this file{where})",
            (*_service_edit(deployment), _GATEWAY),
            notes,
        ),
        model_id=deployment.model_id,
        size=f"{math.ceil(_DISK_HEADROOM * deployment.weights_bytes / 2**30)}Gi",
        labels=labels,
        accelerator_type=accelerator_type,
        gpu_resource=gpu_resource,
        image=IMAGE if accelerator_type == "nvidia" else ROCM_IMAGE,
        split=deployment.is_split,
        pools=[_pool(deployment, pool) for pool in deployment.pools],
    )
    router = render(
        "llm-d-router.yaml.j2",
        header=_head(
            deployment,
            placement,
            f"values of the inferencepool chart (helm install gaie-{release} "
            "oci://registry.k8s.io/gateway-api-inference-extension/charts/inferencepool -f this file"
            f"{where}), which routes to the pods of modelservice-values.yaml",
            ("image: the tag of the scheduler that your cluster runs", _GATEWAY),
            notes,
        ),
        scheduler_tag=SCHEDULER_TAG,
        split=deployment.is_split,
        labels=labels,
    )
    files = (Manifest("modelservice-values.yaml", service), Manifest("inferencepool-values.yaml", router))
    return Export("llm-d", files, AGAINST, tuple(notes))


def _pool(deployment: Deployment, pool: PoolSpec) -> _Pool:
    args = [word for option in vllm_options(deployment, pool, skip_tp=True) for word in option]
    behind_proxy = deployment.is_split and pool.role == "decode"
    return _Pool(
        "prefill" if pool.role == "prefill" else "decode",
        pool.label,
        pool.accelerator,
        pool.count,
        pool.tp,
        pool.gpus_each,
        8200 if behind_proxy else 8000,
        tuple(args),
    )


def _accelerator(deployment: Deployment) -> tuple[str, str]:
    vendors = {p.vendor for p in deployment.pools}
    known = [_ACCELERATORS[v] for v in sorted(vendors) if v in _ACCELERATORS]
    if len(vendors) > 1 or not known:
        raise UnsupportedError(
            f"the pools run on {' and '.join(sorted(vendors))}: one llm-d release is of one vendor, "
            f"{' or '.join(_ACCELERATORS)}"
        )
    return known[0]


def _routing_notes(deployment: Deployment) -> list[str]:
    planned = ", ".join(f"{p.role} {p.router}" for p in deployment.pools)
    return [f"the plan routes {planned}; llm-d sends to the shortest queue, no worse than random or in turn"]


def _service_edit(deployment: Deployment) -> tuple[str, ...]:
    items = (
        "image: pin the tag that your cluster runs",
        "secret llm-d-hf-token with HF_TOKEN, in the same namespace",
        "modelArtifacts.uri: pvc://CLAIM/PATH or pvc+hf://CLAIM/PATH reads a volume instead of downloading "
        "in every pod",
        "cpu and memory of a pod: those of the llm-d guide",
    )
    if deployment.wire is None:
        return items
    rdma = (
        f"rdma/ib: uncomment where the RDMA device plugin offers it, for KV over {deployment.wire.name} as "
        "planned; it goes over TCP otherwise"
    )
    return (*items, rdma)


def _head(
    deployment: Deployment, placement: Placement, what: str, edit: tuple[str, ...], notes: list[str]
) -> list[str]:
    return header(deployment, placement, what=what, against=AGAINST, edit=edit, notes=notes)

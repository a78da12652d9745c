"""What can be written, by the name of the target."""

from __future__ import annotations

from typing import Final

from pdplan.errors import InputError, UnknownNameError, did_you_mean
from pdplan.interop.deploy.dynamo import dynamo
from pdplan.interop.deploy.llm_d import llm_d
from pdplan.interop.deploy.llmservingsim import llmservingsim
from pdplan.interop.deploy.names import require_label
from pdplan.interop.deploy.record import Deployment
from pdplan.interop.deploy.rendering import Export
from pdplan.interop.deploy.sglang import sglang
from pdplan.interop.deploy.vllm import vllm

TARGETS: Final = ("dynamo", "llm-d", "vllm", "sglang", "llmservingsim")


def require_target(name: str, namespace: str | None = None) -> None:
    """Refuse, before any work, a target that does not exist, or a namespace where there is none.

    Raises
    ------
    InputError
        An unknown target, a namespace that Kubernetes does not take, or one for a target without.
    """
    if not name:
        raise InputError(f"--to is missing: give one of {', '.join(TARGETS)}")
    if name not in TARGETS:
        raise UnknownNameError(
            f"--to is {name[:80]!r}{did_you_mean(name, TARGETS)}; there are {', '.join(TARGETS)}"
        )
    if namespace is None:
        return
    if name not in ("dynamo", "llm-d"):
        raise InputError(f"--namespace is of Kubernetes: {name} has none, leave it out")
    require_label(namespace, "--namespace")


def export(deployment: Deployment, target: str, *, namespace: str | None = None) -> Export:
    """Write a deployment for one target.

    Raises
    ------
    InputError
        An unknown target or an impossible namespace.
    UnsupportedError
        What the target cannot do as planned.

    Examples
    --------
    >>> from pdplan.interop.deploy.example import EXAMPLE
    >>> [file.name for file in export(EXAMPLE, "llm-d").files]
    ['modelservice-values.yaml', 'inferencepool-values.yaml']
    """
    require_target(target, namespace)
    if target == "dynamo":
        return dynamo(deployment, namespace=namespace)
    if target == "llm-d":
        return llm_d(deployment, namespace=namespace)
    return {"vllm": vllm, "sglang": sglang, "llmservingsim": llmservingsim}[target](deployment)

"""From a fleet to manifests that a person can apply: Dynamo, llm-d, vLLM, SGLang, LLMServingSim.

`Deployment` says what to run; `export` writes it for one target. Each target's module names the documents
that its fields were checked against.
"""

from pdplan.interop.deploy.record import Deployment, PoolSpec, Served, Wire
from pdplan.interop.deploy.rendering import Export, Manifest
from pdplan.interop.deploy.targets import TARGETS, export, require_target

__all__ = [
    "TARGETS",
    "Deployment",
    "Export",
    "Manifest",
    "PoolSpec",
    "Served",
    "Wire",
    "export",
    "require_target",
]

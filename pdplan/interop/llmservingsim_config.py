"""Read LLMServingSim's cluster config (JSON); what is not modelled is refused by name and line."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pdplan.errors import InputError, PdplanError, UnsupportedError, did_you_mean
from pdplan.sim.cluster import Role
from pdplan.spec.document import read_text

_ROLES: Final[Mapping[str | None, Role]] = {"prefill": "prefill", "decode": "decode", None: "combined"}
#: fields that are understood -> the values under which they change nothing
_NOT_MODELLED: Final[Mapping[str, tuple[Any, ...]]] = {
    "cxl_mem": (None, {}),
    "collective_links": (None, {}),
    "power": (None, {}),
    "cpu_mem.pim_config": (None,),
    "pim_config": (None,),
    "pp_size": (None, 1),
    "ep_size": (None, 1),
    "dp_group": (None,),
    "placement": (None, {}),
    "cudagraph": (None, {}),
    "long_prefill_token_threshold": (None, 0),
    "enable_chunked_prefill": (None, True),
    "reserve_full_isl": (None, True),
    "enable_prefix_caching": (None, False),
    "enable_local_offloading": (None, False),
    "enable_attn_offloading": (None, False),
    "enable_sub_batch_interleaving": (None, False),
    "enable_block_copy": (None, True, False),
    "num_speculative_tokens": (None, 0),
    "mem_latency": (None, 0),
}
_TOP: Final = ("num_nodes", "link_bw", "link_latency", "nodes")
_NODE: Final = ("num_instances", "cpu_mem", "instances")
_INSTANCE: Final = (
    "model_name",
    "hardware",
    "npu_mem",
    "num_npus",
    "tp_size",
    "pd_type",
    "max_num_seqs",
    "max_num_batched_tokens",
)
_NPU_MEM: Final = ("mem_size", "mem_bw", "mem_util")
_CPU_MEM: Final = ("mem_size", "mem_bw")
_UNLIMITED: Final = 10**9


@dataclass(frozen=True, slots=True)
class InstanceConfig:
    """One serving instance; memory figures are of one GPU, None where the catalog's hold.

    ``where`` is the file and line it was written at.
    """

    where: str
    model_name: str
    hardware: str
    role: Role
    tp: int
    memory_bytes: float | None
    memory_bytes_per_s: float | None
    memory_fraction: float
    max_sequences: int
    max_step_tokens: int


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """Instances in the order of the file, and the link between them (None where none is written)."""

    source: str
    instances: tuple[InstanceConfig, ...]
    link_bytes_per_s: float | None
    link_latency_s: float


def read_cluster_config(path: str | Path) -> ClusterConfig:
    """Read a cluster config.

    ``link_bw`` is in GB/s and ``link_latency`` in ns; ``npu_mem.mem_size`` in GB and ``mem_bw`` in GB/s, both
    of one GPU; ``mem_util`` defaults to 0.9, ``max_num_seqs`` to 128, ``max_num_batched_tokens`` to 2048 (0:
    no limit), ``tp_size`` to ``num_npus``. ``cpu_mem`` is checked and has no effect: nothing is offloaded.

    Raises
    ------
    InputError
        Not readable, not JSON, a field that is missing, unknown or wrong; with file and line.
    UnsupportedError
        A field whose physics is not modelled, set to something that would change the result.
    """
    path = Path(path)
    text = read_text(path)
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}: not valid JSON: {error.msg}") from None
    except RecursionError:
        raise InputError(f"{path}: nested too deeply for a cluster config") from None
    reader = _Reader(str(path), _lines(text))
    top = reader.mapping(document, (), _TOP)
    nodes = reader.items(top, (), "nodes", "num_nodes")
    instances: list[InstanceConfig] = []
    for i, node in enumerate(nodes):
        at: tuple[str | int, ...] = ("nodes", i)
        node = reader.mapping(node, at, _NODE)
        if node.get("cpu_mem") is not None:
            memory = reader.mapping(node["cpu_mem"], (*at, "cpu_mem"), _CPU_MEM)
            for key in _CPU_MEM:
                reader.number(memory, (*at, "cpu_mem"), key, default=1.0)
        for j, entry in enumerate(reader.items(node, at, "instances", "num_instances")):
            instances.append(_instance(reader, entry, (*at, "instances", j)))
    bandwidth = reader.number(top, (), "link_bw", default=None)
    latency = reader.number(top, (), "link_latency", default=0.0, zero_ok=True)
    return ClusterConfig(
        str(path),
        tuple(instances),
        None if bandwidth is None else bandwidth * 1e9,
        (latency or 0.0) / 1e9,
    )


def _instance(reader: _Reader, entry: Any, at: tuple[str | int, ...]) -> InstanceConfig:
    """Read one instance."""
    entry = reader.mapping(entry, at, _INSTANCE)
    memory_at = (*at, "npu_mem")
    memory = reader.mapping(entry.get("npu_mem") or {}, memory_at, _NPU_MEM)
    size = reader.number(memory, memory_at, "mem_size", default=None)
    bandwidth = reader.number(memory, memory_at, "mem_bw", default=None)
    fraction = reader.number(memory, memory_at, "mem_util", default=0.9)
    assert fraction is not None
    if fraction > 1:
        raise reader.error((*memory_at, "mem_util"), f"mem_util is {fraction:g}: it must lie in (0, 1]")
    role = entry.get("pd_type")
    if role is not None and role not in _ROLES:
        raise reader.error((*at, "pd_type"), f"pd_type is {role!r}: it must be prefill, decode or null")
    npus = reader.count(entry, at, "num_npus", default=None)
    tp = reader.count(entry, at, "tp_size", default=npus or 1)
    assert tp is not None
    if npus is not None and npus != tp:
        raise reader.error((*at, "num_npus"), f"num_npus is {npus} and tp_size {tp}: they must be equal")
    limits = [
        reader.count(entry, at, key, default=default, zero_ok=True) or _UNLIMITED
        for key, default in (("max_num_seqs", 128), ("max_num_batched_tokens", 2048))
    ]
    return InstanceConfig(
        reader.where(at),
        reader.word(entry, at, "model_name"),
        reader.word(entry, at, "hardware"),
        _ROLES[role],
        tp,
        None if size is None else size * 1e9,
        None if bandwidth is None else bandwidth * 1e9,
        fraction,
        *limits,
    )


class _Reader:
    """Takes values out of the document; every complaint names file and line."""

    def __init__(self, source: str, lines: Mapping[tuple[str | int | float, ...], int]) -> None:
        self.source = source
        self.lines = lines

    def where(self, at: tuple[str | int, ...]) -> str:
        """File and, where it is known, line of a value."""
        while at and at not in self.lines:
            at = at[:-1]
        line = self.lines.get(at)
        return self.source if line is None else f"{self.source}:{line}"

    def error(
        self, at: tuple[str | int, ...], what: str, kind: Callable[[str], PdplanError] = InputError
    ) -> PdplanError:
        return kind(f"{self.where(at)}: {what}")

    def mapping(self, value: Any, at: tuple[str | int, ...], known: tuple[str, ...]) -> dict[str, Any]:
        """Return a mapping of known keys; refuse by name what is not modelled."""
        name = ".".join(str(part) for part in at) or "a cluster config"
        if not isinstance(value, dict):
            raise self.error(at, f"{name} is {_shown(value)}: it must be a JSON object")
        for key, given in value.items():
            if key in _NOT_MODELLED:
                if given not in _NOT_MODELLED[key]:
                    raise self.error(
                        (*at, key),
                        f"{key} is not modelled: leave it out (given {_shown(given)})",
                        UnsupportedError,
                    )
            elif key not in known:
                hint = did_you_mean(key, known) or f"; there are {', '.join(known)}"
                raise self.error((*at, key), f"unknown field {key!r}{hint}")
        return value

    def items(self, owner: dict[str, Any], at: tuple[str | int, ...], key: str, counted_by: str) -> list[Any]:
        """Return a list that is not empty and as long as its counter says."""
        value = owner.get(key)
        if not isinstance(value, list) or not value:
            raise self.error((*at, key), f"{key} is {_shown(value)}: it must be a list of at least one")
        number = self.count(owner, at, counted_by, default=len(value))
        if number != len(value):
            raise self.error((*at, counted_by), f"{counted_by} is {number}, and {key} lists {len(value)}")
        return value

    def number(
        self,
        owner: dict[str, Any],
        at: tuple[str | int, ...],
        key: str,
        *,
        default: float | None,
        zero_ok: bool = False,
    ) -> float | None:
        """Return a finite positive number, or the default where it is missing."""
        value = owner.get(key)
        if value is None:
            return default
        good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        if not good or (value < 0 if zero_ok else value <= 0):
            bound = "at least 0" if zero_ok else "greater than 0"
            raise self.error((*at, key), f"{key} is {_shown(value)}: it must be one number {bound}")
        return float(value)

    def count(
        self,
        owner: dict[str, Any],
        at: tuple[str | int, ...],
        key: str,
        *,
        default: int | None,
        zero_ok: bool = False,
    ) -> int | None:
        """Return a whole number, or the default where it is missing."""
        value = self.number(owner, at, key, default=None, zero_ok=zero_ok)
        if value is None:
            return default
        if value != int(value) or value > _UNLIMITED:
            raise self.error((*at, key), f"{key} is {value:g}: it must be a whole number")
        return int(value)

    def word(self, owner: dict[str, Any], at: tuple[str | int, ...], key: str) -> str:
        """Return a text that is not empty."""
        value = owner.get(key)
        if not isinstance(value, str) or not value.strip():
            raise self.error((*at, key), f"{key} is {_shown(value)}: it must be a name")
        return value


def _shown(value: Any) -> str:
    """A value short enough for one line."""
    text = "missing" if value is None else json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _lines(text: str) -> Mapping[tuple[str | int | float, ...], int]:
    """Lines of the values: JSON is YAML, whose nodes know theirs; nothing where YAML cannot read it."""
    from pdplan.spec.yaml_lines import read_yaml

    try:
        return read_yaml(text, "")[1]
    except PdplanError:  # a tab, a key given twice: JSON took it, so only the line is lost
        return {}

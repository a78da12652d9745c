"""Formulas of the library that `solve` inverts without a scenario, with their symbols and units."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pdplan.planner.formulas.latency import tpot_of_batch_s, visible_penalty
from pdplan.queueing.md1 import md1_mean_wait_s
from pdplan.queueing.mg1 import mg1_mean_wait_s
from pdplan.queueing.mm1 import mm1_mean_wait_s
from pdplan.serving.economics import disagg_ttft_penalty, effective_transfer
from pdplan.serving.prefill import mean_ttft_inter_op_s, mean_ttft_intra_op_s, mean_ttft_s
from pdplan.serving.prefill_throughput import effective_prefill_throughput
from pdplan.serving.transfer import link_seconds, link_utilization


@dataclass(frozen=True, slots=True)
class Named:
    """A formula by name: its function, what it gives, and (symbol, unit, default) of each argument."""

    title: str
    symbol: str
    unit: str
    function: Callable[..., Any]
    arguments: Mapping[str, tuple[str, str, float | None]]


_RATE = ("R", "1/s", None)
_D = ("D", "s", None)
_LINK = ("r", "B/s", None)

FORMULAS: Final[Mapping[str, Named]] = {
    "mean_ttft": Named(
        "mean TTFT of one prefill instance (M/D/1)",
        "TTFT",
        "s",
        mean_ttft_s,
        {"arrival_rate": _RATE, "service_s": _D},
    ),
    "mean_ttft_inter_op": Named(
        "mean TTFT of a pipeline",
        "TTFT",
        "s",
        mean_ttft_inter_op_s,
        {"arrival_rate": _RATE, "service_s": _D, "stages": ("s", "", 2.0)},
    ),
    "mean_ttft_intra_op": Named(
        "mean TTFT of a tensor-parallel instance",
        "TTFT",
        "s",
        mean_ttft_intra_op_s,
        {"arrival_rate": _RATE, "service_s": _D, "speedup": ("K", "", None)},
    ),
    "mm1_wait": Named(
        "mean wait of M/M/1",
        "W",
        "s",
        mm1_mean_wait_s,
        {"arrival_rate": _RATE, "service_s": ("S", "s", None)},
    ),
    "md1_wait": Named(
        "mean wait of M/D/1", "W", "s", md1_mean_wait_s, {"arrival_rate": _RATE, "service_s": _D}
    ),
    "mg1_wait": Named(
        "mean wait of M/G/1",
        "W",
        "s",
        mg1_mean_wait_s,
        {"arrival_rate": _RATE, "mean_service_s": ("S", "s", None), "service_scv": ("SCV", "", None)},
    ),
    "transfer": Named(
        "time of a transfer",
        "X",
        "s",
        link_seconds,
        {"payload_bytes": ("b", "B", None), "link_bytes_per_s": _LINK, "startup_s": ("t_0", "s", 0.0)},
    ),
    "visible_transfer": Named(
        "transfer that prefill does not hide",
        "X_v",
        "s",
        effective_transfer,
        {"transfer_s": ("X", "s", None), "prefill_s": ("P", "s", None), "overlap_fraction": ("o", "", None)},
    ),
    "penalty": Named(
        "transfer over prefill",
        "r_T",
        "",
        disagg_ttft_penalty,
        {"transfer_s": ("X", "s", None), "prefill_s": ("P", "s", None)},
    ),
    "visible_penalty": Named(
        "transfer that prefill does not hide, over prefill",
        "r_T",
        "",
        visible_penalty,
        {
            "payload_bytes": ("b", "B", None),
            "link_bytes_per_s": _LINK,
            "prefill_s": ("P", "s", None),
            "overlap_fraction": ("o", "", 0.0),
        },
    ),
    "link_load": Named(
        "load of the link",
        "rho_X",
        "",
        link_utilization,
        {
            "arrival_rate": ("lambda", "1/s", None),
            "mean_payload_bytes": ("b", "B", None),
            "instances": ("n", "", 1.0),
            "link_bytes_per_s": _LINK,
        },
    ),
    "tpot": Named(
        "TPOT of a batch",
        "TPOT",
        "s",
        tpot_of_batch_s,
        {
            "batch": ("B", "", None),
            "mean_context_tokens": ("c", "tok", 0.0),
            "fixed_s": ("a", "s", None),
            "per_sequence_s": ("beta", "s", None),
            "per_context_token_s": ("gamma", "s/tok", 0.0),
        },
    ),
    "prefill_throughput": Named(
        "prompt tokens per second within a TTFT",
        "TP_P",
        "tok/s",
        effective_prefill_throughput,
        {
            "max_prefill_tokens_per_s": ("TP_max", "tok/s", None),
            "prompt_tokens": ("L_in", "tok", None),
            "ttft_s": ("TTFT", "s", None),
            "overhead_s": ("T_0", "s", 0.0),
        },
    ),
}

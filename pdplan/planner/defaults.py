"""Every default a plan rests on, so that nothing is assumed in silence."""

from __future__ import annotations

from pdplan import units
from pdplan.planner.instances import node_nics, weights_dtype
from pdplan.planner.problem import Problem


def defaults_used(problem: Problem) -> tuple[tuple[str, str], ...]:
    """Return (field, value) of the settings that the scenario did not write."""
    sc = problem.scenario
    written = sc.model_fields_set
    rows: list[tuple[str, str]] = []

    def note(path: str, value: object, is_set: bool) -> None:
        if not is_set:
            rows.append((path, str(value)))

    note("latency", "roofline" if sc.latency == "roofline" else sc.latency, "latency" in written)
    note("weights_dtype", weights_dtype(sc, problem.model), sc.weights_dtype is not None)
    note("kv_dtype", sc.kv_dtype, "kv_dtype" in written)
    if problem.link.kind in ("ethernet", "rdma"):
        accelerator = problem.options("prefill")[0].accelerator
        note("node.nics", node_nics(problem.link, sc, accelerator), sc.node.nics is not None)
    note("memory.fraction", sc.memory.fraction, "fraction" in sc.memory.model_fields_set)
    note("prefill.router", sc.prefill.router, "router" in sc.prefill.model_fields_set)
    note("prefill.discipline", sc.prefill.discipline, "discipline" in sc.prefill.model_fields_set)
    note(
        "prefill.max_batch_tokens",
        sc.prefill.max_batch_tokens,
        "max_batch_tokens" in sc.prefill.model_fields_set,
    )
    note("decode.max_batch", sc.decode.max_batch, "max_batch" in sc.decode.model_fields_set)
    if problem.step_factor_from:
        note("decode.step_factor", f"{sc.decode.step_factor} (measured: {problem.step_factor_from})", False)
    else:
        note("decode.step_factor", sc.decode.step_factor, "step_factor" in sc.decode.model_fields_set)
    note("colocated.chunk_tokens", sc.colocated.chunk_tokens, "chunk_tokens" in sc.colocated.model_fields_set)
    note("first_token_from", sc.first_token_from, "first_token_from" in written)
    note("overlap", units.show(sc.overlap, "fraction"), "overlap" in written)
    note("max_utilization", units.show(sc.max_utilization, "fraction"), "max_utilization" in written)
    return tuple(rows)

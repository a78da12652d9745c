"""Why kinds of instance were left out: the weights that a GPU would have to hold."""

from __future__ import annotations

from pdplan.errors import InputError
from pdplan.latency.memory import weights_bytes_per_gpu
from pdplan.latency.parameters import weight_bytes
from pdplan.planner.formulas.load import weights_each_bytes
from pdplan.planner.instances import Role, weights_dtype
from pdplan.planner.problem import Problem
from pdplan.planner.working.build import Term, by_formula, given
from pdplan.symbolic import Derivation


def left_out_derivations(problem: Problem) -> list[Derivation]:
    """Return the weights per GPU of each kind that was left out."""
    rows: list[Derivation] = []
    shape, dtype = problem.model.shape, weights_dtype(problem.scenario, problem.model)
    roles: tuple[Role, ...] = ("prefill", "decode")
    for role in roles:
        for r in problem.rejected(role):
            try:
                each = weights_bytes_per_gpu(shape, dtype, r.tp, r.pp, r.dp_attention, r.ep)
            except InputError:
                continue
            name = f"left_out.{role}.{r.label.replace(' ', '_')}.weights"
            title = f"Weights a GPU of {role} {r.label}"
            total = float(weight_bytes(shape, dtype))
            if r.dp_attention == 1 and r.ep == 1:
                rows.append(
                    by_formula(
                        name,
                        title,
                        "w",
                        "B",
                        each,
                        weights_each_bytes,
                        weights_bytes=Term(total, "w_all", "B"),
                        tensor_degree=Term(r.tp, "TP"),
                        pipeline_degree=Term(r.pp, "PP"),
                    )
                )
            else:
                where = "shared weights and the experts of one rank (pdplan.latency.memory)"
                rows.append(given(name, title, "w", "B", each, where))
    return rows

"""The working of a plan: for each number it shows, the function that ran and what it was given."""

from __future__ import annotations

from pdplan.latency.parameters import kv_bytes_per_token
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.formulas import (
    cost_per_million_tokens,
    decode_steps_per_s,
    decode_utilization,
    fleet_usd_per_hour,
    kv_share,
    link_utilization,
    mean_transfer_s,
    pool_gpus,
    pool_utilization,
    sum_of_parts_s,
)
from pdplan.planner.result import ClassPlan, Fleet
from pdplan.queueing.mg1 import mg1_mean_wait_s
from pdplan.queueing.mm1 import mm1_mean_wait_s
from pdplan.serving.economics import disagg_ttft_penalty, kv_payload_bytes
from pdplan.symbolic import Derivation


def derivations_of(chosen: Disaggregated, fleet: Fleet) -> tuple[Derivation, ...]:
    """Return the derivations of every quantity in the plan's text, in its order."""
    rows: list[Derivation] = []
    rows += _prefill(chosen)
    rows += _link(chosen, fleet)
    rows += _decode(chosen)
    for c in fleet.classes:
        rows += _class(chosen, c, alone=len(fleet.classes) == 1)
    rows += _cost(chosen, fleet)
    return tuple(rows)


def _prefill(chosen: Disaggregated) -> list[Derivation]:
    """Load, mean service and mean wait of the prefill pool."""
    side, station = chosen.prefill, chosen.prefill.station
    rate, n = station.arrival_rate, float(side.count)
    work = station.work_per_prompt_s
    rows = [
        Derivation(
            "prefill.utilization",
            "Load of the prefill pool",
            "rho_P",
            "",
            side.utilization,
            pool_utilization,
            {"arrival_rate": rate, "work_s": work, "instances": n},
            {"arrival_rate": "lambda", "work_s": "S", "instances": "n"},
            {"arrival_rate": "1/s", "work_s": "s"},
        ),
        Derivation(
            "prefill.service",
            "Mean prefill time of a prompt alone",
            "E[S]",
            "s",
            chosen.problem.demand.mean(side.prefill_s(chosen.problem.demand)),
            equation="E[S] = sum_i w_i t_prefill(n_i, (n_i + c_i)^2 - c_i^2)",
            method=f"step times at {chosen.problem.demand.weight.size} length atoms",
            source=side.option.latency.source,
            trust=side.option.latency.trust,
        ),
    ]
    rows.append(_prefill_wait(chosen))
    return rows


def _prefill_wait(chosen: Disaggregated) -> Derivation:
    station = chosen.prefill.station
    name, title, symbol = "prefill.wait", "Mean wait before prefill", "E[W]"
    rate, n, service = station.arrival_rate, chosen.prefill.count, station.service
    alone = station.router == "random" or n == 1
    if station.discipline == "mm1" and station.router in ("random", "round_robin"):
        return Derivation(
            name,
            title,
            symbol,
            "s",
            station.mean_wait_s,
            mm1_mean_wait_s,
            {"arrival_rate": rate / n, "service_s": service.mean_s},
            {"arrival_rate": "lambda", "service_s": "S"},
            {"arrival_rate": "1/s", "service_s": "s"},
            trust=station.trust,
        )
    if station.discipline == "one_at_a_time" and alone:
        return Derivation(
            name,
            title,
            symbol,
            "s",
            station.mean_wait_s,
            mg1_mean_wait_s,
            {"arrival_rate": rate / n, "mean_service_s": service.mean_s, "service_scv": service.scv},
            {"arrival_rate": "lambda", "mean_service_s": "S", "service_scv": "c_s2"},
            {"arrival_rate": "1/s", "mean_service_s": "s"},
            trust=station.trust,
        )
    what = type(station.queue).__name__
    return Derivation(
        name,
        title,
        symbol,
        "s",
        station.mean_wait_s,
        equation="W(k+1) = max(0, W(k) + S(k) - A(k)), stationary",
        method=f"{station.discipline}, {station.router}: law {what}, load {station.utilization:.3f}",
        source="docs/theory: which law when",
        trust=station.trust,
    )


def _decode(chosen: Disaggregated) -> list[Derivation]:
    """Load, batch, TPOT and KV of a decode instance."""
    side, law = chosen.decode, chosen.decode.law
    work = law.work
    rows = [
        Derivation(
            "decode.steps_per_s",
            "Decode steps of single requests asked of one instance, per second",
            "lambda G",
            "1/s",
            law.steps_per_s,
            decode_steps_per_s,
            {
                "arrival_rate": chosen.problem.demand.arrival_rate,
                "instances": float(side.count),
                "decode_share": work.decode_share,
                "decode_steps": work.mean_steps,
            },
            {"arrival_rate": "lambda", "instances": "n", "decode_share": "s", "decode_steps": "G"},
            {"arrival_rate": "1/s"},
        ),
        Derivation(
            "decode.batch",
            "Mean number of requests that decode in one instance",
            "E[N]",
            "",
            law.mean_batch,
            equation="p_n ~ prod_{k<=n} lambda G t(k)/k, capped at B",
            method=f"birth-death law; sum of p_n = {law.batch_pmf.sum():.12g}",
            source="Cohen 1979; Kelly 1979 (state-dependent processor sharing)",
            trust=law.trust,
        ),
        Derivation(
            "decode.itl",
            "Mean gap between decode steps, over tokens",
            "ITL",
            "s",
            law.mean_itl_s,
            equation="ITL = sum_n q_n t(n), q_n = P(a token sees n - 1 others)",
            method="; ".join(law.notes) or "no KV reads, no cap in reach: exact in the fluid-step limit",
            source="docs/theory: decode",
            trust=law.trust,
        ),
        Derivation(
            "decode.utilization",
            "Load of the decode pool",
            "rho_D",
            "",
            side.utilization,
            decode_utilization,
            {"steps_per_s": law.steps_per_s, "seconds_per_step": side.utilization / law.steps_per_s},
            {"steps_per_s": "lambdaG", "seconds_per_step": "t_B/B"},
            {"steps_per_s": "1/s", "seconds_per_step": "s"},
        ),
    ]
    if side.kv_p99_share is not None and side.option.kv_capacity_tokens is not None:
        rows.append(
            Derivation(
                "decode.kv_p99_share",
                "99th percentile of KV in use over KV capacity",
                "kv",
                "",
                side.kv_p99_share,
                kv_share,
                {
                    "kv_tokens": side.kv_p99_share * side.option.kv_capacity_tokens,
                    "kv_capacity_tokens": side.option.kv_capacity_tokens,
                },
                {"kv_tokens": "q_99", "kv_capacity_tokens": "M"},
                {"kv_tokens": "tok", "kv_capacity_tokens": "tok"},
            )
        )
    return rows


def _link(chosen: Disaggregated, fleet: Fleet) -> list[Derivation]:
    problem, wire = chosen.problem, fleet.link
    mix = problem.demand
    per_token = float(kv_bytes_per_token(problem.model.shape, problem.scenario.kv_dtype))
    rows = [
        Derivation(
            "link.payload.per_request_of_mean_length",
            "KV bytes of a prompt of mean length, all layers in full",
            "payload",
            "B",
            float(kv_payload_bytes(mix.mean_prompt_tokens, per_token)),
            kv_payload_bytes,
            {"prompt_tokens": mix.mean_prompt_tokens, "kv_bytes_per_token": per_token},
            {"prompt_tokens": "L_in", "kv_bytes_per_token": "k"},
            {"prompt_tokens": "tok", "kv_bytes_per_token": "B/tok"},
        ),
        Derivation(
            "link.transfer",
            "Mean time on the wire",
            "X",
            "s",
            wire.mean_transfer_s,
            mean_transfer_s,
            {
                "startup_s": problem.link.t0_s,
                "mean_payload_bytes": wire.mean_payload_bytes,
                "link_bytes_per_s": chosen.link.bytes_per_s,
            },
            {"startup_s": "t_0", "mean_payload_bytes": "payload", "link_bytes_per_s": "B"},
            {"startup_s": "s", "mean_payload_bytes": "B", "link_bytes_per_s": "B/s"},
        ),
        Derivation(
            "link.penalty",
            "Transfer over prefill, of the means",
            "r",
            "",
            float(disagg_ttft_penalty(wire.mean_transfer_s, mix.mean(chosen.prefill.prefill_s(mix)))),
            disagg_ttft_penalty,
            {"transfer_s": wire.mean_transfer_s, "prefill_s": mix.mean(chosen.prefill.prefill_s(mix))},
            {"transfer_s": "X", "prefill_s": "P"},
            {"transfer_s": "s", "prefill_s": "s"},
        ),
    ]
    for end, count, utilization, option in (
        ("egress", chosen.prefill.count, wire.egress_utilization, chosen.prefill.option),
        ("ingress", chosen.decode.count, wire.ingress_utilization, chosen.decode.option),
    ):
        rows.append(
            Derivation(
                f"link.{end}",
                f"Load of the link, {end} of each instance",
                "rho_" + end,
                "",
                utilization,
                link_utilization,
                {
                    "arrival_rate": mix.arrival_rate,
                    "mean_payload_bytes": wire.mean_payload_bytes,
                    "instances": float(count),
                    "link_bytes_per_s": option.link_bytes_per_s,
                },
                {
                    "arrival_rate": "lambda",
                    "mean_payload_bytes": "payload",
                    "instances": "n",
                    "link_bytes_per_s": "B",
                },
                {"arrival_rate": "1/s", "mean_payload_bytes": "B", "link_bytes_per_s": "B/s"},
            )
        )
    return rows


def _class(chosen: Disaggregated, c: ClassPlan, *, alone: bool) -> list[Derivation]:
    """TTFT: the mean is a sum; percentiles are read from a convolution."""
    prefix = "ttft" if alone else f"ttft.{c.name}"
    rows = [
        Derivation(
            f"{prefix}.mean",
            f"Mean TTFT of {c.name}: the sum of its parts",
            "TTFT",
            "s",
            c.ttft.mean_s,
            sum_of_parts_s,
            dict(c.ttft_parts_s),
            {},
            dict.fromkeys(c.ttft_parts_s, "s"),
        )
    ]
    rows += [
        Derivation(
            f"{prefix}.p{100 * p:g}",
            f"p{100 * p:g} of TTFT of {c.name}",
            "q",
            "s",
            value,
            equation="q = inf{t: sum_i w_i P(W > t - D(L_i)) <= 1 - p}, W the waits, D fixed by lengths",
            method=(
                f"waits convolved on a lattice, mixed over {chosen.problem.demand.weight.size} length atoms; "
                f"P(TTFT > q) - (1 - p) = {_residual(chosen, c, p, value):.1e}"
            ),
            source="docs/theory: composition",
            trust=c.ttft.trust,
        )
        for p, value in c.ttft.quantiles_s.items()
    ]
    return rows


def _residual(chosen: Disaggregated, c: ClassPlan, p: float, value: float) -> float:
    demand = next(d for d in chosen.problem.demands if d.name == c.name)
    return float(chosen.ttft(demand).sf(value)) - (1.0 - p)


def _cost(chosen: Disaggregated, fleet: Fleet) -> list[Derivation]:
    p, d, cost = fleet.prefill, fleet.decode, fleet.cost
    mix = chosen.problem.demand
    rows = [
        Derivation(
            "cost.gpus",
            "GPUs of the fleet",
            "GPUs",
            "",
            float(cost.gpus),
            pool_gpus,
            {
                "prefill_instances": float(p.count),
                "prefill_gpus": float(p.degrees.gpus),
                "decode_instances": float(d.count),
                "decode_gpus": float(d.degrees.gpus),
            },
            {
                "prefill_instances": "n_P",
                "prefill_gpus": "g_P",
                "decode_instances": "n_D",
                "decode_gpus": "g_D",
            },
        ),
    ]
    if not chosen.problem.scenario.node.whole_nodes:
        rows.append(
            Derivation(
                "cost.per_hour",
                "Price of the fleet",
                "C",
                "USD/h",
                cost.usd_per_hour,
                fleet_usd_per_hour,
                {
                    "prefill_instances": float(p.count),
                    "prefill_usd_per_hour": p.usd_per_hour / p.count,
                    "decode_instances": float(d.count),
                    "decode_usd_per_hour": d.usd_per_hour / d.count,
                },
                {
                    "prefill_instances": "n_P",
                    "prefill_usd_per_hour": "c_P",
                    "decode_instances": "n_D",
                    "decode_usd_per_hour": "c_D",
                },
                {"prefill_usd_per_hour": "USD/h", "decode_usd_per_hour": "USD/h"},
            )
        )
    rows.append(
        Derivation(
            "cost.per_million_output_tokens",
            "Price of a million output tokens",
            "C_out",
            "USD",
            cost.usd_per_million_output_tokens,
            cost_per_million_tokens,
            {
                "usd_per_hour": cost.usd_per_hour,
                "arrival_rate": mix.arrival_rate,
                "mean_tokens": mix.mean_output_tokens,
            },
            {"usd_per_hour": "C", "arrival_rate": "lambda", "mean_tokens": "L_out"},
            {"usd_per_hour": "USD/h", "arrival_rate": "1/s", "mean_tokens": "tok"},
        )
    )
    return rows

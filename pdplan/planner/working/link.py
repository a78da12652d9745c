"""The KV link: what it carries, how long a transfer takes and waits, how full it is."""

from __future__ import annotations

from pdplan.latency.parameters import kv_bytes_per_token
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.formulas.latency import companions_wait_s, mean_transfer_s, sum_of_parts_s
from pdplan.planner.formulas.load import link_utilization, share_of_nics_bytes_per_s
from pdplan.planner.formulas.room import larger_of
from pdplan.planner.instances import InstanceOption, node_nics
from pdplan.planner.result import LinkPlan
from pdplan.planner.working.build import Term, atoms_mean, by_formula, computed, given
from pdplan.queueing.mg1 import mg1_mean_wait_s
from pdplan.serving.delays import Constant
from pdplan.serving.economics import disagg_ttft_penalty, kv_payload_bytes
from pdplan.serving.transfer import link_never_queues
from pdplan.symbolic import Derivation
from pdplan.trust import Trust


def link_derivations(chosen: Disaggregated, wire: LinkPlan) -> list[Derivation]:
    """Return every number of the link."""
    problem, mix = chosen.problem, chosen.problem.demand
    prefill_s = mix.mean(chosen.prefill.prefill_s(mix))
    return [
        *_payload(chosen, wire),
        by_formula(
            "link.transfer",
            "Mean time on the wire",
            "X",
            "s",
            wire.mean_transfer_s,
            mean_transfer_s,
            startup_s=Term(problem.link.t0_s, "t_0", "s", "link.startup"),
            mean_payload_bytes=Term(wire.mean_payload_bytes, "b", "B", "link.payload"),
            link_bytes_per_s=Term(chosen.link.bytes_per_s, "r", "B/s", "link.bandwidth"),
        ),
        given(
            "link.startup",
            "Start-up time of a transfer",
            "t_0",
            "s",
            problem.link.t0_s,
            f"catalog: link {problem.link.name}",
        ),
        _bandwidth(chosen, "bandwidth", chosen.prefill.option, "narrower end of a transfer")
        if chosen.link.bytes_per_s == chosen.prefill.option.link_bytes_per_s
        else given(
            "link.bandwidth",
            "Bandwidth of one transfer, the narrower end",
            "r",
            "B/s",
            chosen.link.bytes_per_s,
            "share of the NICs of one attention rank, the narrower end (pdplan.planner.stations)",
        ),
        *_waits(chosen),
        by_formula(
            "link.penalty",
            "Transfer over prefill, of the means",
            "r_T",
            "",
            float(disagg_ttft_penalty(wire.mean_transfer_s, prefill_s)),
            disagg_ttft_penalty,
            transfer_s=Term(wire.mean_transfer_s, "X", "s", "link.transfer"),
            prefill_s=Term(prefill_s, "P", "s", "prefill.service"),
        ),
        *_loads(chosen, wire),
    ]


def _payload(chosen: Disaggregated, wire: LinkPlan) -> list[Derivation]:
    problem, mix = chosen.problem, chosen.problem.demand
    per_token = float(kv_bytes_per_token(problem.model.shape, problem.scenario.kv_dtype))
    whole = float(kv_payload_bytes(mix.mean_prompt_tokens, per_token))
    return [
        atoms_mean(
            "link.payload",
            "Mean KV bytes that a request ships",
            "b",
            "B",
            wire.mean_payload_bytes,
            what="b",
            latex=r"b = \sum_i w_i\, b(L_i)",
            weights=mix.weight,
            method="KV bytes of each layer's own attention (full, sliding, latent), less what decode holds,",
        ),
        by_formula(
            "link.payload.per_request_of_mean_length",
            "KV bytes of a prompt of mean length, all layers in full",
            "b_full",
            "B",
            whole,
            kv_payload_bytes,
            prompt_tokens=Term(mix.mean_prompt_tokens, "L_in", "tok"),
            kv_bytes_per_token=Term(per_token, "k", "B/tok"),
        ),
    ]


def _bandwidth(chosen: Disaggregated, name: str, option: InstanceOption, what: str) -> Derivation:
    """Return the bandwidth of an instance: its share of the NICs, where no ceiling binds."""
    problem = chosen.problem
    link, scenario = problem.link, problem.scenario
    title = f"Bandwidth of an instance, {what}"
    if link.kind not in ("nvlink", "pcie"):
        nics = node_nics(link, scenario, option.accelerator)
        node = scenario.node.gpus or option.accelerator.gpus_per_node
        share = share_of_nics_bytes_per_s(nics, link.bytes_per_s, option.gpus, node)
        if abs(share / option.link_bytes_per_s - 1) < 1e-12:
            return by_formula(
                f"link.{name}",
                title,
                "r",
                "B/s",
                option.link_bytes_per_s,
                share_of_nics_bytes_per_s,
                nics=Term(nics, "N"),
                nic_bytes_per_s=Term(link.bytes_per_s, "r_NIC", "B/s"),
                gpus=Term(option.gpus, "g"),
                node_gpus=Term(node, "G_node"),
            )
    return given(
        f"link.{name}", title, "r", "B/s", option.link_bytes_per_s, f"catalog: link {link.name}, its ceiling"
    )


def _waits(chosen: Disaggregated) -> list[Derivation]:
    """Return the mean wait for the link, and what it is the sum of."""
    link, mix, prefill = chosen.link, chosen.problem.demand, chosen.prefill
    title, symbol, name = "Mean wait for the link", "W_X", "link.wait"
    law, transfer = link.wait, link.transfer_s(mix)
    if isinstance(law, Constant) and law.trust is Trust.EXACT:
        never = link_never_queues(transfer, prefill.prefill_s(mix))
        return [
            computed(
                name,
                title,
                symbol,
                "s",
                0.0,
                equation="W = 0: departures of one prefill instance lie further apart than a transfer lasts",
                latex=r"\max X \le \min S \;\Rightarrow\; W = 0",
                method="the longest transfer against the shortest prefill",
                residual=0.0 if never else 1.0,
                residual_of="1 if a transfer is longer than a prefill, else 0",
                source="docs/theory/link",
            )
        ]
    companions = 0.0 if prefill.idle else prefill.station.companions / prefill.option.dp_attention
    passed = 0.5 if link.one_end else 1.0
    before = float(companions_wait_s(passed, companions, mix.mean(transfer)))
    terms = {"companions": Term(before, "W_c", "s", "link.companions")}
    rows = [
        by_formula(
            "link.companions",
            "Mean wait for prompts of the same prefill step",
            "W_c",
            "s",
            before,
            companions_wait_s,
            trust=Trust.APPROXIMATE,
            passed=Term(passed, "u"),
            companions=Term(companions, "m"),
            mean_transfer_s=Term(mix.mean(transfer), "X", "s", "link.transfer"),
        )
    ]
    for i, queue in enumerate(link._queues(mix), 1):
        terms[f"queue_{i}"] = Term(queue.mean_wait_s, f"W_{i}", "s", f"link.queue_{i}")
        rows.append(
            by_formula(
                f"link.queue_{i}",
                f"Mean wait for others, queue {i}",
                f"W_{i}",
                "s",
                queue.mean_wait_s,
                mg1_mean_wait_s,
                trust=Trust.APPROXIMATE,
                arrival_rate=Term(queue.arrival_rate, "lambda", "1/s"),
                mean_service_s=Term(queue.service.mean_s, "X", "s"),
                service_scv=Term(queue.service.scv, "SCV"),
            )
        )
    total = by_formula(name, title, symbol, "s", law.mean_s, sum_of_parts_s, trust=Trust.APPROXIMATE, **terms)
    return [total, *rows]


def _loads(chosen: Disaggregated, wire: LinkPlan) -> list[Derivation]:
    mix = chosen.problem.demand
    rows = []
    for end, side, load, pool in (
        ("egress", chosen.prefill, wire.egress_utilization, "prefill"),
        ("ingress", chosen.decode, wire.ingress_utilization, "decode"),
    ):
        rows.append(
            by_formula(
                f"link.{end}",
                f"Load of the link, {end} of each {pool} instance",
                f"rho_{end}",
                "",
                load,
                link_utilization,
                arrival_rate=Term(mix.arrival_rate, "lambda", "1/s", "rate.total"),
                mean_payload_bytes=Term(wire.mean_payload_bytes, "b", "B", "link.payload"),
                instances=Term(side.count, f"n_{pool[0].upper()}", "", f"{pool}.instances"),
                link_bytes_per_s=Term(side.option.link_bytes_per_s, "r", "B/s", f"link.{end}_bandwidth"),
            )
        )
        rows.append(_bandwidth(chosen, f"{end}_bandwidth", side.option, end))
    rows.append(
        by_formula(
            "link.utilization",
            "Load of the link, its busier end",
            "rho_X",
            "",
            wire.utilization,
            larger_of,
            first=Term(wire.egress_utilization, "rho_egress", "", "link.egress"),
            second=Term(wire.ingress_utilization, "rho_ingress", "", "link.ingress"),
        )
    )
    return rows

"""The verdict of each class: both ledgers and both prices."""

from __future__ import annotations

from pdplan.planner.formulas.cost import (
    fleet_usd_per_hour,
    pool_usd_per_hour,
    saving_share,
    saving_usd_per_hour,
)
from pdplan.planner.formulas.latency import chunk_worth_curing_s
from pdplan.planner.formulas.room import product_of, ratio_of
from pdplan.planner.result import Cost, Fleet, Need
from pdplan.planner.verdict import ClassVerdict, Ledger
from pdplan.planner.working.build import Term, by_formula, given
from pdplan.serving.economics import colocated_itl_worst, disagg_ttft_penalty
from pdplan.symbolic import Derivation
from pdplan.trust import Trust


def verdict_derivations(v: ClassVerdict, of: str) -> list[Derivation]:
    """Return every number that the verdict of a class may name."""
    name = f"verdict{of}"
    rows: list[Derivation] = []
    if v.fleet is not None:
        rows.append(_split_price(v.fleet, name))
        rows += _savings(v, v.fleet, name)
    if v.need is not None:
        rows += _need(v.need, name)
    if v.ledger is not None:
        rows += _ledger(v.ledger, name)
    return rows


def _split_price(fleet: Fleet, name: str) -> Derivation:
    p, d, cost = fleet.prefill, fleet.decode, fleet.cost
    if cost.gpus_bought != cost.gpus:
        return by_formula(
            f"{name}.split_cost",
            "Price of the class's own split fleet, in whole nodes",
            "C_S",
            "USD/h",
            cost.usd_per_hour,
            pool_usd_per_hour,
            instances=Term(cost.gpus_bought, "G_S"),
            usd_per_hour_each=Term(cost.usd_per_hour / cost.gpus_bought, "c", "USD/h"),
        )
    return by_formula(
        f"{name}.split_cost",
        "Price of the class's own split fleet",
        "C_S",
        "USD/h",
        cost.usd_per_hour,
        fleet_usd_per_hour,
        prefill_instances=Term(p.count, "n_P"),
        prefill_usd_per_hour=Term(p.usd_per_hour / p.count, "c_P", "USD/h"),
        decode_instances=Term(d.count, "n_D"),
        decode_usd_per_hour=Term(d.usd_per_hour / d.count, "c_D", "USD/h"),
    )


def _savings(v: ClassVerdict, fleet: Fleet, name: str) -> list[Derivation]:
    split = Term(fleet.cost.usd_per_hour, "C_S", "USD/h", f"{name}.split_cost")
    rows: list[Derivation] = []
    for end, cost in (("low", v.colocated.cost_low), ("high", v.colocated.cost)):
        if cost is not None:
            rows += _against(cost, split, f"{name}.{end}", end)
    return rows


def _against(cost: Cost, split: Term, name: str, end: str) -> list[Derivation]:
    if cost.usd_per_hour <= 0:
        return []
    other = Term(cost.usd_per_hour, "C_C", "USD/h", f"{name}.cost")
    return [
        by_formula(
            f"{name}.cost",
            f"Price of the class's own colocated fleet, {end} end",
            "C_C",
            "USD/h",
            cost.usd_per_hour,
            pool_usd_per_hour,
            trust=Trust.APPROXIMATE,
            instances=Term(cost.gpus_bought, "G_C"),
            usd_per_hour_each=Term(cost.usd_per_hour / cost.gpus_bought, "c_GPU", "USD/h"),
        ),
        by_formula(
            f"{name}.saving",
            f"What splitting saves against the {end} end (negative: costs more)",
            "saved",
            "USD/h",
            other.value - split.value,
            saving_usd_per_hour,
            trust=Trust.APPROXIMATE,
            other_usd_per_hour=other,
            usd_per_hour=split,
        ),
        by_formula(
            f"{name}.saving_share",
            f"What splitting saves against the {end} end, as a share of it",
            "saved_share",
            "",
            1 - split.value / other.value,
            saving_share,
            trust=Trust.APPROXIMATE,
            other_usd_per_hour=other,
            usd_per_hour=split,
        ),
    ]


def _need(need: Need, name: str) -> list[Derivation]:
    return [
        given(
            f"{name}.need.{role}",
            f"{role.capitalize()} instances of the class alone, before rounding",
            f"N_{role[0].upper()}",
            "",
            getattr(need, role),
            need.how,
            trust=Trust.APPROXIMATE,
        )
        for role in ("prefill", "decode")
    ]


def _ledger(book: Ledger, name: str) -> list[Derivation]:
    worst = book.clean_step_s + book.chunk_s
    rule = "rule of pdplan.serving.verdict, with its reason"
    return [
        by_formula(
            f"{name}.worst_itl",
            "Worst gap when a chunk shares the step",
            "t_c",
            "s",
            worst,
            colocated_itl_worst,
            trust=Trust.APPROXIMATE,
            decode_step_s=Term(book.clean_step_s, "t", "s"),
            chunk_s=Term(book.chunk_s, "c", "s"),
        ),
        by_formula(
            f"{name}.itl_gain",
            "Colocated worst gap over a clean step",
            "gain",
            "",
            book.verdict.itl_gain,
            ratio_of,
            trust=Trust.APPROXIMATE,
            first=Term(worst, "t_c", "s", f"{name}.worst_itl"),
            second=Term(book.clean_step_s, "t", "s"),
        ),
        by_formula(
            f"{name}.ttft_penalty",
            "Visible transfer over prefill",
            "r_T",
            "",
            book.verdict.ttft_penalty,
            disagg_ttft_penalty,
            transfer_s=Term(book.visible_transfer_s, "X", "s"),
            prefill_s=Term(book.prefill_s, "P", "s"),
        ),
        given(
            f"{name}.min_itl_gain", "Least gain worth a second pool", "g", "", book.verdict.min_itl_gain, rule
        ),
        given(
            f"{name}.max_ttft_penalty",
            "Largest transfer that TTFT can absorb",
            "pi",
            "",
            book.verdict.max_ttft_penalty,
            rule,
        ),
        by_formula(
            f"{name}.link_factor",
            "Bandwidth at which the rule flips, over the bandwidth now",
            "x",
            "",
            book.verdict.crossover.link_factor,
            ratio_of,
            first=Term(book.verdict.ttft_penalty, "r_T", "", f"{name}.ttft_penalty"),
            second=Term(book.verdict.max_ttft_penalty, "pi", "", f"{name}.max_ttft_penalty"),
        ),
        by_formula(
            f"{name}.flip_transfer",
            "Transfer at which the rule flips",
            "X_flip",
            "s",
            book.verdict.crossover.transfer_s,
            product_of,
            first=Term(book.verdict.max_ttft_penalty, "pi", "", f"{name}.max_ttft_penalty"),
            second=Term(book.prefill_s, "P", "s"),
        ),
        by_formula(
            f"{name}.flip_chunk",
            "Chunk at which interference is just worth curing",
            "c_flip",
            "s",
            book.verdict.crossover.chunk_s,
            chunk_worth_curing_s,
            min_itl_gain=Term(book.verdict.min_itl_gain, "g", "", f"{name}.min_itl_gain"),
            decode_step_s=Term(book.clean_step_s, "t", "s"),
        ),
    ]

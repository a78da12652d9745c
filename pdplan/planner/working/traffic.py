"""What the plan was told: rates, lengths, defaults, the simulation that checked it."""

from __future__ import annotations

import re

from pdplan.planner.formulas.latency import sum_of_parts_s
from pdplan.planner.result import ClassPlan
from pdplan.planner.verification import Verification
from pdplan.planner.working.build import Term, by_formula, computed, given
from pdplan.spec.slo import JointTarget
from pdplan.symbolic import Derivation
from pdplan.trust import Trust

_NUMBER = re.compile(r"^(-?\d+(?:\.\d+)?)(%?)")


def traffic_derivations(classes: tuple[ClassPlan, ...], ends: dict[str, str]) -> list[Derivation]:
    """Return rate and mean lengths of each class, and the rate of all together."""
    rows: list[Derivation] = []
    for c in classes:
        of = ends[c.name]
        where = f"class {c.name} of the scenario" if c.traced is None else f"trace {c.traced.asked.trace}"
        rows += [
            given(f"rate{of}", f"Arrival rate of {c.name}", "lambda", "1/s", c.rate, where),
            given(
                f"prompt_tokens{of}", f"Mean prompt of {c.name}", "L_in", "tok", c.prompt_tokens, c.lengths
            ),
            given(
                f"output_tokens{of}", f"Mean output of {c.name}", "L_out", "tok", c.output_tokens, c.lengths
            ),
            given(
                f"single_token{of}",
                f"Share of requests of {c.name} with one output token",
                "s_1",
                "",
                c.single_token_share,
                c.lengths,
            ),
        ]
        if c.traced is not None:
            rows += _traced(c, of)
    rows.append(
        by_formula(
            "rate.total",
            "Arrival rate of all classes",
            "lambda",
            "1/s",
            sum(c.rate for c in classes),
            sum_of_parts_s,
            trust=Trust.EXACT,
            **{
                f"class_{i}": Term(c.rate, f"lambda_{i}", "1/s", f"rate{ends[c.name]}")
                for i, c in enumerate(classes, 1)
            },
        )
    )
    return rows


def _traced(c: ClassPlan, of: str) -> list[Derivation]:
    assert c.traced is not None
    t = c.traced
    where = f"trace {t.asked.trace}, plan_for {t.asked.plan_for}"
    values = (
        ("covered", "Share of time in which the rate is not exceeded", "", t.covered),
        ("windows", "Windows that the trace was cut into", "", float(t.windows)),
        ("mean", "Mean rate of the trace", "1/s", t.mean_rate),
        ("busiest", "Rate of the busiest window", "1/s", t.busiest_rate),
        ("local_scv", "Burstiness inside windows", "", t.local_scv or 0.0),
    )
    return [
        given(f"trace{of}.{n}", f"{title} ({c.name})", n[0], unit, v, where) for n, title, unit, v in values
    ]


def default_derivations(defaults: tuple[tuple[str, str], ...]) -> list[Derivation]:
    """Return the defaults that are numbers; `max_utilization` is there already."""
    rows = []
    for key, text in defaults:
        seen = _NUMBER.match(text)
        if seen and key != "max_utilization":
            value = float(seen[1]) * (0.01 if seen[2] else 1.0)
            rows.append(
                given(
                    key,
                    f"Default of {key}",
                    key.rsplit(".", 1)[-1],
                    "",
                    value,
                    "default: not in the scenario",
                )
            )
    return rows


def verification_derivations(seen: Verification, ends: dict[str, str]) -> list[Derivation]:
    """Return what the simulation was, and what it says of each objective with its interval."""
    rows = [
        given(
            "verification.requests",
            "Simulated requests",
            "N",
            "",
            seen.requests,
            "--requests, or the default",
        ),
        given(
            "verification.seed", "Seed of the random streams", "seed", "", seen.seed, "--seed, or the default"
        ),
        given("verification.confidence", "Confidence of each interval", "c", "", 0.99, "fixed"),
    ]
    for row in seen.checked:
        if row.simulated is None:
            continue
        joint = isinstance(row.target, JointTarget)
        what = "joint" if isinstance(row.target, JointTarget) else f"{row.target.metric}.{row.target.stat}"
        name = f"verification{ends[row.name]}.{what}"
        half = 0.5 * ((row.high or row.simulated) - (row.low or row.simulated))
        rows.append(
            computed(
                name,
                f"Simulated: {row.target} of {row.name}",
                "y_sim",
                "" if joint else "s",
                row.simulated,
                equation="the share, mean or percentile of the simulated requests itself",
                latex=r"\hat y",
                method=f"discrete-event engine, {seen.requests:,} requests, seed {seen.seed}, batch means",
                residual=half,
                residual_of="half of the 99% interval" + ("" if joint else " [s]"),
                source="docs/validation",
                trust=Trust.SIMULATED,
            )
        )
        for end, value in (("low", row.low), ("high", row.high)):
            if value is not None:
                rows.append(
                    given(
                        f"{name}.{end}",
                        f"{end.capitalize()} end of the 99% interval of {name}",
                        f"y_{end}",
                        "" if joint else "s",
                        value,
                        "simulation, batch means",
                        trust=Trust.SIMULATED,
                    )
                )
    return rows

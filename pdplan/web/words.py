"""The answer in words, as HTML; everything that a person may have written is escaped."""

from __future__ import annotations

from html import escape
from typing import Any, Final

from pdplan import units
from pdplan.planner.no_colocated import no_colocated

_VERDICTS: Final = {"split": "split", "undetermined": "open until simulated", "infeasible": "no fleet"}
_METRICS: Final = {"ttft": "TTFT", "tpot": "TPOT", "itl": "ITL", "e2e": "E2E"}


def headline(answer: dict[str, Any], revision: int, *, settled: bool) -> str:
    """Return the answer on top: what to buy, what it costs, what binds; or the honest no."""
    state = f'data-revision="{revision}" data-settled="{str(settled).lower()}"'
    if not answer["feasible"]:
        nearest = "".join(
            f"<li>{escape(n['class'])}: {escape(n['target'])}; nearest that can be met: "
            f"{units.show(n['nearest_s'], 'time', digits=4)}</li>"
            for n in answer["nearest"]
        )
        return (
            f'<div class="answer no" id="answer" {state}><h1>No fleet meets these objectives</h1>'
            f"<p>{escape(answer['binding'])}.</p><ul>{nearest}</ul></div>"
        )
    fleet = answer["fleet"]
    cost = fleet["cost"]
    million = cost["usd_per_million_output_tokens"]
    per_million = f"{million:.2f}" if million >= 0.1 else f"{million:.4f}"
    mark = "" if settled else '<span class="settling">settling</span>'
    return (
        f'<div class="answer" id="answer" {state}>'
        f"<h1>{_pool(fleet['prefill'], 'prefill')} <em>+</em> {_pool(fleet['decode'], 'decode')}{mark}</h1>"
        f'<p class="cost"><strong>{cost["usd_per_hour"]:.2f} USD/h</strong>{_gpus(fleet)}'
        f"<span>{per_million} USD per million output tokens</span></p>"
        f'<p class="binding">Binding: {escape(answer["binding"]["tightest"])}</p></div>'
    )


def _pool(pool: dict[str, Any], role: str) -> str:
    degrees = [f"TP{pool['tp']}"] if pool["tp"] > 1 or pool.get("dp_attention", 1) == 1 else []
    degrees += [f"{name}{pool[key]}" for key, name in _DEGREES.items() if pool.get(key, 1) > 1]
    return f"<span>{pool['count']:,} {role} × {' '.join(degrees)}</span>"


_DEGREES: Final = {"pp": "PP", "dp_attention": "DP", "ep": "EP"}


def _gpus(fleet: dict[str, Any]) -> str:
    counted: dict[str, int] = {}
    for role in ("prefill", "decode"):
        pool = fleet[role]
        counted[pool["accelerator"]] = counted.get(pool["accelerator"], 0) + pool["gpus"]
    words = " + ".join(f"{n:,} × {escape(name)}" for name, n in counted.items())
    bought, gpus = fleet["cost"]["gpus_bought"], fleet["cost"]["gpus"]
    whole = f" ({bought:,} bought, in whole nodes)" if bought != gpus else ""
    return f"<span>{words}{whole}</span>"


def verdicts(answer: dict[str, Any] | None) -> str:
    """Return the verdict of each class with its reason."""
    if answer is None or not answer["feasible"]:
        return ""
    rows = "".join(
        f'<li class="{escape(v["reason"])}"><strong>{escape(v["class"])}: {_verdict(v["reason"])}</strong> '
        f"<span>{escape(v['why'])}</span></li>"
        for v in answer["verdicts"]
    )
    return f'<ul class="verdicts" aria-label="verdicts: split or not">{rows}</ul>'


def _verdict(reason: str) -> str:
    return _VERDICTS.get(reason, "keep colocated")


def objectives(answer: dict[str, Any]) -> str:
    """Return every objective, its value and its room."""
    rows = "".join(_objective(c["name"], o) for c in answer["fleet"]["classes"] for o in c["objectives"])
    return (
        '<table class="objectives"><thead><tr><th scope="col">class</th><th scope="col">objective</th>'
        '<th scope="col">state</th><th scope="col">value</th><th scope="col">room</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def _objective(name: str, o: dict[str, Any]) -> str:
    share = "value_share" in o
    unit, dimension = ("share", "fraction") if share else ("s", "time")
    value = units.show(o[f"value_{unit}"], dimension)
    if o[f"low_{unit}"] < o[f"high_{unit}"]:
        low, high = (units.show(o[f"{end}_{unit}"], dimension) for end in ("low", "high"))
        value = f"{low} to {high}"
    status = {"met": "met", "missed": "missed", "undetermined": "open"}[o["status"]]
    return (
        f'<tr class="{status}"><th scope="row">{escape(name)}</th><td>{escape(pretty(o["target"]))}</td>'
        f'<td><span class="status">{status}</span></td><td>{escape(value)}</td>'
        f"<td>{o['slack']:+.0%}</td></tr>"
    )


def pretty(target: str) -> str:
    """Return an objective as people write it.

    Examples
    --------
    >>> pretty("ttft p99 <= 2 s")
    'TTFT p99 ≤ 2 s'
    """
    words = [_METRICS.get(word, word) for word in target.split(" ")]
    return " ".join(words).replace("<=", "≤")


def latencies(answer: dict[str, Any]) -> str:
    """Return percentiles of every latency, with their trust."""
    stats = ("mean_s", "p50", "p90", "p95", "p99")
    head = "".join(f'<th scope="col">{s.removesuffix("_s")}</th>' for s in stats)
    rows = []
    for c in answer["fleet"]["classes"]:
        for metric, words in _METRICS.items():
            latency = c[metric]
            if latency is None:
                continue
            values = [latency["mean_s"], *(latency[s]["value_s"] for s in stats[1:])]
            cells = "".join(f"<td>{units.show(v, 'time')}</td>" for v in values)
            rows.append(
                f'<tr><th scope="row">{escape(c["name"])} {words}</th>{cells}<td>{latency["trust"]}</td></tr>'
            )
    return (
        f'<table class="latencies"><thead><tr><td></td>{head}<th scope="col">trust</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def colocated(answer: dict[str, Any]) -> str:
    """Return the colocated fleet at the same objectives."""
    side = answer["colocated"]
    if side["pool"] is None:
        return f"<p>Colocated: {escape(no_colocated(side['why'], 'fleet'))}.</p>"
    low, high = side["cost_low"], side["cost"]
    price = f"{low['usd_per_hour']:.2f}"
    if high is None:
        price = f"at least {price}"
    elif high["usd_per_hour"] != low["usd_per_hour"]:
        price += f" to {high['usd_per_hour']:.2f}"
    settled = f" Settled: {escape(side['settled'])}." if side["settled"] else ""
    return f"<p>Colocated at the same objectives (TP{side['pool']['tp']}): {price} USD/h.{settled}</p>"


def verification(answer: dict[str, Any]) -> str:
    """Return what the simulation says of every objective."""
    found = answer.get("verification")
    if found is None:
        return f"<p>Not simulated: {escape(answer.get('unverified', ''))}.</p>"
    words = {"holds": "holds", "fails": "fails", "open": "not settled"}
    rows = "".join(
        f'<tr class="{o["holds"]}"><th scope="row">{escape(o["class"])}</th>'
        f"<td>{escape(pretty(o['target']))}</td>"
        f'<td><span class="status">{words[o["holds"]]}</span></td><td>{_interval(o)}</td></tr>'
        for o in found["objectives"]
    )
    stepped = "".join(f"<p>{escape(s)}.</p>" for s in found["stepped_up"])
    return (
        f'<table class="objectives"><caption>{found["requests"]:,} simulated requests, seed {found["seed"]}, '
        f"99% intervals</caption><tbody>{rows}</tbody></table>{stepped}"
    )


def _interval(o: dict[str, Any]) -> str:
    dimension = "fraction" if " within " in o["target"] else "time"
    value, *ends = ("?" if x is None else units.show(x, dimension) for x in (o["simulated"], *o["interval"]))
    return f"{escape(value)} [{escape(ends[0])}, {escape(ends[1])}]"

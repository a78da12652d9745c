# ruff: noqa: E501 - templates of lines read best on one line
"""Every number in the text of a plan has its working, and the working has the plan's number.

`LINES` are templates of the lines of a plan, with names of `explain` where its numbers stand.

``{name:kind}`` in a template stands for a number of that kind; ``@`` for the ending of the class that the
line is about, ``%o`` for the objective in the line (``ttft.p99``), ``%v`` for what it is held to.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import pdplan
from pdplan import units
from pdplan.planner import Plan
from pdplan.planner.note import plan_note
from pdplan.planner.sizing import size
from pdplan.planner.working.build import endings
from pdplan.planner.working.spoken import spoken
from pdplan.spec.builtin import builtin_scenario

NUMBER = r"[+-]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?"
KINDS = {
    "n": NUMBER,
    "pct": NUMBER + "%",
    "time": NUMBER + r" (?:ns|us|µs|ms|s|min|h)\b",
    "bytes": NUMBER + r" (?:[KMGT]i?)?B\b",
    "bytes_per_s": NUMBER + r" [kMGT]?B/s",
    "rate": NUMBER + r" req/(?:s|min|h)",
    "label": r"(?:(?:TP|PP|DP|EP)\d+)(?: (?:PP|DP|EP)\d+)*",
    "M": NUMBER + " M",
    "hours": NUMBER,
}
OBJECTIVE = r"(?P<metric>ttft|tpot|itl|e2e) (?P<stat>mean|p[\d.]+) <= {@slo@.%o.limit:time}"
JOINT = r"{@slo@.joint.limit:pct} within ttft {@slo@.joint.ttft:time} and tpot {@slo@.joint.tpot:time}"
STATUS = r"(?:met|MISSED|undetermined)"
TRUST = r"\((?:exact|bounded|approximate|simulated)\)"
CLASS = r"(?P<cls>[\w.-]+)"
SMALLER = "{runner_up.fewer.%q.gpus_each:label} instead of {runner_up.%q.gpus_each:label}"
LESS = rf"(?:one (?P<less>prefill|decode|instance) fewer|(?P<smaller>prefill |decode |){SMALLER}): "
POOLS = (
    r"{%sprefill.instances:n} prefill {%sprefill.gpus_each:label} \+ "
    r"{%sdecode.instances:n} decode {%sdecode.gpus_each:label}"
)
P4 = "{%r.mean:time} +{%r.p50:time} +{%r.p90:time} +{%r.p95:time} +{%r.p99:time} +[a-z]+"

#: Lines without quantities of the plan: names, words, sources.
FREE = (
    r".*: \S+ on .*, KV over .*",
    r"Not simulated: .*",
    r" *pool +instances +each +GPUs +load +limit +served",
    r" +mean +p50 +p90 +p95 +p99 +trust",
    r"  One \w+ fewer: one instance is the least there can be\.",
    r"  One \w+ fewer: nothing: a cheaper fleet of other instances exists\.",
    r"  benchmark arithmetic +prefill +decode +P/D +decode tok/s",
    r"Step times: .*",
    r"Colocated fleets with attention ranks are not modelled: .*",
    r"By formulas, around this plan \(more: .*\):",
    r"  Runner-up: no fleet of other instances surely meets every objective\.",
    r"  Breaks first: nothing within a factor of 16 of any input\.",
    r"  Breaks first: by formulas the fleet misses an objective as it is; in simulation it holds\.",
    r"  (?:Most sensitive|Spares): [^\d]*\.",
    r"  Doubt: .*: no input is in doubt: .*",
    r"",
)

LINES = (
    "Buy "
    + POOLS.replace("%s", "")
    + " instances: {cost.gpus_bought|cost.gpus:n} GPUs?, {cost.per_hour:n} USD/h, "
    "{cost.per_million_output_tokens:n} USD per million output tokens",
    r"Binding: (?P<pool>prefill|decode|link) load {%p.utilization:pct} of {max_utilization:pct}\.",
    r"Binding: decode KV memory \(p99\) load {decode.kv_p99_share:pct} of 100%\.",
    # the plan's own value, or the simulated one where a simulation settled it
    rf"Binding: {CLASS}: {OBJECTIVE}, {{%v||verification@.%o:time}} \({{@slo@.%o.slack:pct}} to spare\)\.",
    rf"Binding: {CLASS}: {JOINT}, {{slo@.joint.attainment:pct}} \({{slo@.joint.slack:pct}} to spare\)\.",
    r"Verified by {verification.requests:n} simulated requests \(seed {verification.seed:n}\): "
    r"every objective holds at {verification.confidence:pct} confidence\.",
    r"(?:Verified|Checked|CONTRADICTED) by (?P<said_verification>.*)\.",
    r"Replayed (?P<said_replay>.*)\.",
    r"  planned for (?P<said_trace>.*)",
    r"Colocated: no fleet (?:meets the objectives|can be judged): (?P<said_colocated_why>.*)\.",
    r" +prefill +{prefill.instances:n} +{prefill.gpus_each:label} +{prefill.gpus:n} +"
    r"{prefill.utilization:pct} +{max_utilization:pct} +\w+, \w+",
    r" +decode +{decode.instances:n} +{decode.gpus_each:label} +{decode.gpus:n} +{decode.utilization:pct} +"
    r"{max_utilization:pct} +batch {decode.batch:n}(?:, KV p99 {decode.kv_p99_share:pct})?",
    r" +link +{link.egress_bandwidth:bytes_per_s} +{link.utilization:pct} +{max_utilization:pct} +"
    r"{link.payload:bytes} in {link.transfer:time} a request",
    r"  note: decode: KV reads are {decode.kv_reads:pct} of a step's growth: percentiles are a two-moment fit",
    r"  note: decode: the batch of {decode.batch_cap:n} is full {decode.full_share:pct} of the time",
    r"  note: decode: KV headroom is {decode.kv_headroom:n}: below {decode.enough_headroom:n} simulate",
    r"  note: decode: the batch is beyond the range of the step times {decode.beyond_range:pct} of the time",
    r"  note: prefill: prompts of {prefill.longest_prompt:n} tokens are beyond the {prefill.range.high:n} "
    r"that the latency model was made for",
    r"  note: decode: a mean context of {decode.context:n} tokens is outside the "
    r"{decode.context_range.low:n}(?: to {decode.context_range.high:n})? that the latency model was made for",
    r"  note: decode: contexts of {decode.context_sum:n} tokens in a decode step are beyond the "
    r"{decode.context_sum_range.high:n} that the latency model was made for",
    rf"{CLASS}: {{rate@:rate}}, mean {{prompt_tokens@:n}} prompt and {{output_tokens@:n}} output tokens \(.*\)",
    f"  (?P<row>TTFT|TPOT|E2E) +{P4}",
    "  ITL +{decode.itl:time} +{decode.itl.p50:time} +{decode.itl.p90:time} +{decode.itl.p95:time} "
    "+{decode.itl.p99:time} +[a-z]+",
    r"  {single_token@:pct} of requests have one output token: no TPOT, left out of it",
    rf"  {STATUS}: {OBJECTIVE}: {{verification@.%o:time}}, {{slo@.%o.slack:pct}} slack \(simulated\)",
    rf"  {STATUS}: {OBJECTIVE}: {{%v:time}}, {{slo@.%o.slack:pct}} slack {TRUST}",
    rf"  {STATUS}: {OBJECTIVE}: {{verification@.%o.low:time}} to {{verification@.%o.high:time}}, "
    rf"{{slo@.%o.slack:pct}} slack {TRUST}",
    rf"  {STATUS}: {JOINT}: {{slo@.joint.low:pct}} to {{slo@.joint.high:pct}}, "
    rf"{{slo@.joint.slack:pct}} slack {TRUST}",
    r"  decode: queue {decode.queue@:time}, execution {decode.execution@:time} a request",
    r"Need before rounding: {need.prefill:n} prefill and {need.decode:n} decode instances "
    r"\(ratio {need.ratio:n}\)\. Bought {prefill.instances:n} \+ {decode.instances:n}; rounded down, "
    r"{need.prefill.rounded_down:n} \+ {need.decode.rounded_down:n} carry {need.carried:pct} of the demand\.",
    r"  One (?P<pool>\w+) fewer: (?P<other>prefill|decode) load would be {fewer.%p.utilization:pct}, "
    r"limit {max_utilization:pct}\.",
    rf"  One (?P<pool>\w+) fewer: {CLASS}: {OBJECTIVE} would be {{fewer.%p@.%o:time}}\.",
    rf"  One (?P<pool>\w+) fewer: {CLASS}: {JOINT} would be {{fewer.%p@.joint:pct}}\.",
    r"  One (?P<pool>\w+) fewer: .* is offered {fewer.%p.utilization:n} of its capacity\.",
    r"  isolated decode steps +{benchmark.isolated.prefill:n} +{benchmark.isolated.decode:n} +"
    r"{benchmark.isolated.ratio:n} +{benchmark.isolated.tokens_per_s:n}",
    r"  in-system \(step factor {benchmark.step_factor:n}\) +{benchmark.in_system.prefill:n} +"
    r"{benchmark.in_system.decode:n} +{benchmark.in_system.ratio:n} +{benchmark.in_system.tokens_per_s:n}",
    r"  {stated.prefill.instances:n}P{stated.decode.instances:n}D carries {benchmark.carried:M} tok/min of "
    r"{benchmark.total:M} asked \({benchmark.short:pct} short\) at the targets\.",
    "The stated fleet, " + POOLS.replace("%s", "stated.") + r": \w+, {stated.cost.per_hour:n} USD/h",
    rf"  {CLASS}: {STATUS}: {OBJECTIVE}: {{%b.value:time}}, {{%b.slack:pct}} slack {TRUST}",
    rf"  {CLASS}: {STATUS}: {OBJECTIVE}: {{%b.low:time}} to {{%b.high:time}}, {{%b.slack:pct}} slack {TRUST}",
    rf"  {CLASS}: {STATUS}: {JOINT}: {{%j.low:pct}} to {{%j.high:pct}}, {{%j.slack:pct}} slack {TRUST}",
    r"  (?P<pool>prefill|decode) load {stated.%p.utilization:pct} is above the limit of {max_utilization:pct}",
    r"Colocated \({colocated.gpus_each:label}, \w+\): {colocated.high.instances:n} instances, "
    r"{colocated.high.gpus_bought|colocated.high.gpus:n} GPUs?, {colocated.high.cost:n} USD/h\.(?: Settled: (?P<said_colocated_settled>.*)\.)?",
    r"Colocated \({colocated.gpus_each:label}, \w+\): {colocated.low.gpus_bought|colocated.low.gpus:n} GPUs? to "
    r"{colocated.high.gpus_bought|colocated.high.gpus:n} GPUs?, {colocated.low.cost:n} to {colocated.high.cost:n} USD/h, depending on "
    r"where TPOT lies in its bracket\.(?: Settled: (?P<said_colocated_settled>.*)\.)?",
    r"Colocated \({colocated.gpus_each:label}, \w+\): at least {colocated.low.gpus_bought|colocated.low.gpus:n} GPUs?, "
    r"{colocated.low.cost:n} USD/h if TPOT percentiles equal the mean; [^\d]*\.(?: Settled: (?P<said_colocated_settled>.*)\.)?",
    rf"Verdict for {CLASS}: split: saves {{verdict@.low.saving:n}} USD/h or more "
    r"\({verdict@.low.saving_share:pct}\) at the same objectives\.",
    rf"Verdict for {CLASS}: undetermined: costs {{verdict@.split_cost:n}} USD/h, between "
    r"{verdict@.low.cost:n} and {verdict@.high.cost:n} colocated\.",
    rf"Verdict for {CLASS}: undetermined: costs {{verdict@.split_cost:n}} USD/h; colocated "
    r"{verdict@.low.cost:n} at best, and it may not meet TPOT\.",
    rf"Verdict for {CLASS}: split: costs the same, with cleaner decode steps\.",
    rf"Verdict for {CLASS}: keep colocated \(fleet_too_small\): whole instances cost "
    r"{-verdict@.high.saving:n} USD/h more; {verdict@.need.prefill:n} \+ {verdict@.need.decode:n} instances "
    r"would not\.",
    rf"Verdict for {CLASS}: keep colocated \(fleet_too_small\): whole instances cost "
    r"{-verdict@.high.saving:n} USD/h more; at a larger rate a split fleet costs less\.",
    rf"Verdict for {CLASS}: keep colocated \(no_interference\): costs (?:the same|{{-verdict@.high.saving:n}} USD/h "
    r"more)(?: over any link)?; the objectives tolerate the interference\.",
    rf"Verdict for {CLASS}: split: no colocated fleet (?:meets the objectives|can be judged): (?P<said_verdict>.*)\.",
    rf"Verdict for {CLASS}: (?:no fleet|keep colocated) \(?[a-z_]*\)?:? ?[^\d]*\.",
    rf"Verdict for {CLASS}: keep colocated \(slow_link\): (?:costs the same|costs {{-verdict@.high.saving:n}} USD/h more), and "
    r"transfer {verdict@.ttft_penalty:pct} of prefill \(allowed {verdict@.max_ttft_penalty:pct}\); worst ITL "
    r"{verdict@.itl_gain:n}x a clean step \(worth curing from {verdict@.min_itl_gain:n}x\); flips at "
    r"{verdict@.link_factor:n}x the link bandwidth \({verdict@.flip_transfer:time} of transfer\)\.",
    *(
        f"  Runner-up: {fleet}, {{runner_up.cost:n}} USD/h, {more}{why}\\."
        for fleet in (
            r"{runner_up.prefill.instances:n} prefill {runner_up.prefill.gpus_each:label} \+ "
            r"{runner_up.decode.instances:n} decode {runner_up.decode.gpus_each:label}",
            r"{runner_up.colocated.instances:n} colocated {runner_up.colocated.gpus_each:label}",
        )
        for more in (
            "the same price; ties go to fewer GPUs, then fewer instances, then smaller TP",
            r"{runner_up.extra:n} USD/h more \({runner_up.extra_share:pct}\)",
            r"{-runner_up.extra:n} USD/h less \({runner_up.extra_share:pct}\)",
        )
        for why in (
            "",
            rf"; {LESS}still enough, but fleets of other instances are smaller",
            rf"; {LESS}(?P<other>prefill|decode|link) load of at most {{max_utilization:pct}} would be "
            r"{runner_up.fewer.%q.%x.utilization:pct}",
            rf"; {LESS}load of at most {{max_utilization:pct}} would be {{runner_up.fewer.%q.utilization:pct}}",
            rf"; {LESS}(?:decode )?KV memory \(p99\) of at most 100% would be "
            r"{runner_up.fewer.%q.decode.kv_p99_share|runner_up.fewer.%q.kv_p99_share:pct}",
            rf"; {LESS}{CLASS}: {OBJECTIVE} would be {{runner_up.fewer.%q@.%o:time}}",
            rf"; {LESS}{CLASS}: {OBJECTIVE} would be {{runner_up.fewer.%q@.%o.low:time}} to "
            r"{runner_up.fewer.%q@.%o:time}",
            rf"; {LESS}{CLASS}: {JOINT} would be {{runner_up.fewer.%q@.joint:pct}}",
            rf"; {LESS}{CLASS}: {JOINT} would be {{runner_up.fewer.%q@.joint.low:pct}} to "
            r"{runner_up.fewer.%q@.joint:pct}",
            rf"; {LESS}[^\d]* is offered {{runner_up.fewer.%q.offered:n}} of its capacity",
        )
    ),
    *(
        rf"  Breaks first: at {{{sign}breaks_first.change:pct}} {word} [a-z ]+, {what}\."
        for sign, word in (("", "more"), ("-", "less"))
        for what in (
            r"(?P<other>prefill|decode|link) load would be {breaks_first.%x.utilization:pct}, limit "
            r"{max_utilization:pct}",
            rf"{CLASS}: {OBJECTIVE} would be {{breaks_first@.%o:time}}",
            rf"{CLASS}: {JOINT} would be {{breaks_first@.joint:pct}}",
            r"decode KV memory \(p99\) load would be {breaks_first.decode.kv_p99_share:pct}, limit 100%",
        )
    ),
    rf"  Most sensitive: {{most_sensitive.step:pct}} more [a-z ]+ takes (?P<stat>p99|mean) (?P<upper>TTFT|TPOT) of {CLASS} "
    r"from {%u:time} to {most_sensitive.after:time} \({most_sensitive.change:pct}\)\.",
    r"  Most sensitive: {most_sensitive.step:pct} more [a-z ]+ overloads the fleet\.",
    r"  Doubt: every objective holds with probability {doubt.probability:pct} \[{doubt.low:pct}, {doubt.high:pct}\], in "
    r"{doubt.samples:n} samples\.",
    r"  Spares: none needed to be whole {spares.target:pct} of the time\.",
    r"  Spares: (?:{spares.prefill:n} prefill)?(?: and )?(?:{spares.decode:n} decode)? more to be whole "
    r"{spares.target:pct} of the time \(a GPU fails every {spares.mtbf:hours} h, {spares.mttr:time} to repair\)\.",
    r"Left out: (?P<kinds>.*): {%k.weights:bytes} of \w+ weights a GPU do not fit",
)
PARTS = {
    "queue": "prefill.wait",
    "link queue": "link.wait",
    "admission": "decode.admission",
    "join": "decode.join",
    "first step": "decode.itl",
    "host": "ttft@.overhead",
    "prefill": "ttft@.prefill",
    "transfer": "ttft@.transfer",
}
_HOLE = re.compile(r"\{([-@%|\w.]+):(\w+)\}")


@dataclass
class Reader:
    """Reads the text of a plan line by line and says what its numbers are."""

    ends: dict[str, str]
    known: frozenset[str]
    cls: str = ""
    section: str = "plan"
    found: list[tuple[str, str, str]] = field(default_factory=list)

    def read(self, text: str) -> list[tuple[str, str, str]]:
        """Return (name, kind, number as printed) for all lines; raise on a line without a template."""
        for line in text.splitlines():
            self._line(line)
        return self.found

    def _line(self, line: str) -> None:
        for start, section in (
            ("The stated fleet", "stated"),
            ("Colocated", "colocated"),
            ("Verdict", "plan"),
        ):
            if line.startswith(start):
                self.section = section
        if line.startswith("Assumed: "):
            return self._assumed(line)
        if line.lstrip().startswith("mean TTFT "):
            return self._parts(line)
        for template in LINES:
            names: list[tuple[str, str]] = []

            def hole(m: re.Match[str], names: list[tuple[str, str]] = names) -> str:
                names.append((m[1], m[2]))
                return f"(?P<g{len(names)}>{KINDS[m[2]]})"

            seen = re.fullmatch(_HOLE.sub(hole, template), line)
            if seen is not None:
                return self._take(seen, names)
        if not any(re.fullmatch(f, line) for f in FREE):
            raise AssertionError(f"no template for the line: {line!r}")
        return None

    def _take(self, seen: re.Match[str], names: list[tuple[str, str]]) -> None:
        groups = seen.groupdict()
        if groups.get("cls"):
            self.cls = groups["cls"]
        for i, (name, kind) in enumerate(names, 1):
            if groups[f"g{i}"] is not None:
                self.found.append((self._name(name, groups), kind, groups[f"g{i}"]))
        for group, sentence in groups.items():
            if group.startswith("said_") and sentence:
                self._said(group.removeprefix("said_"), sentence)

    def _said(self, who: str, sentence: str) -> None:
        """Numbers of a sentence, in its order; a verdict repeats what its other side said."""
        of = self.ends.get(self.cls, "") if who in ("trace", "verdict") else ""
        for i, (printed, _, unit) in enumerate(spoken(sentence), 1):
            kind = {"s": "time", "1/s": "rate", "B": "bytes"}.get(
                unit, "pct" if printed.endswith("%") else "n"
            )
            self.found.append((f"{who.replace('_', '.')}{of}.said.{i}", kind, printed))

    def _name(self, name: str, groups: dict[str, str]) -> str:
        of = self.ends.get(self.cls, "")
        objective = f"{groups.get('metric')}.{groups.get('stat')}"
        held = f"{groups.get('metric')}{of}.{groups.get('stat')}"
        if groups.get("metric") == "itl":
            held = "decode.itl" if groups["stat"] == "mean" else f"decode.itl.{groups['stat']}"
        where = {"plan": "", "stated": "stated.", "colocated": "colocated."}[self.section]
        own = f"{where}slo{of}.{objective}"
        own_value = f"stated.{held}" if self.section == "stated" else f"{own}.value"
        name = name.replace("%b.value", own_value).replace("%b", own).replace("%j", f"{where}slo{of}.joint")
        name = name.replace("@slo", f"{where}slo" if self.section != "plan" else "slo")
        name = name.replace("%o", objective).replace("%v", held).replace("%p", groups.get("pool") or "")
        less = (groups.get("less") or groups.get("smaller") or "").strip()
        name = name.replace("%q", less if less in ("prefill", "decode") else "colocated")
        name = name.replace("%x", groups.get("other") or "")
        if groups.get("upper"):
            name = name.replace("%u", f"{groups['upper'].lower()}{of}.{groups['stat']}")
        if groups.get("row"):
            name = name.replace("%r", f"{groups['row'].lower()}{of}")
        if groups.get("kinds"):
            name = name.replace(
                "%k", "left_out." + groups["kinds"].split(", ")[0].replace(" ", ".", 1).replace(" ", "_")
            )
        name = name.replace("@", of)
        if "||" in name:
            return "||".join(n for n in name.split("||") if n in self.known)
        return next((n for n in name.split("|") if n.lstrip("-") in self.known), name)

    def _assumed(self, line: str) -> None:
        for pair in line.removeprefix("Assumed: ").rstrip(".").split(", "):
            key, _, value = pair.partition("=")
            seen = re.match(NUMBER + "%?", value)
            if seen and "(" not in value.split(" ")[0] and re.fullmatch(NUMBER + "%?", value.split(" ")[0]):
                self.found.append((key, "pct" if seen[0].endswith("%") else "n", seen[0]))

    def _parts(self, line: str) -> None:
        whole, _, parts = line.strip().removeprefix("mean TTFT ").partition(" = ")
        of = self.ends.get(self.cls, "")
        self.found.append((f"ttft{of}.mean", "time", whole))
        for part in parts.split(" + "):
            label, value = re.fullmatch(rf"(.*?) ({KINDS['time']})", part).groups()  # type: ignore[union-attr]
            name = PARTS[label].replace("@", of)
            self.found.append((name if name in self.known else "prefill.service", "time", value))


def value_of(printed: str, kind: str) -> tuple[float, float]:
    """Return a printed number in SI, and half of its last place."""
    digits = re.match(NUMBER, printed)
    assert digits is not None
    plain = digits[0].replace(",", "")
    mantissa = plain.split("e")[0]
    place = 10.0 ** (-len(mantissa.partition(".")[2])) * (
        10.0 ** int(plain.split("e")[1]) if "e" in plain else 1.0
    )
    if kind in ("n", "label"):
        return float(plain), 0.5 * place
    if kind == "pct":
        return 0.01 * float(plain), 0.005 * place
    if kind == "hours":
        return float(plain) * 3600.0, 0.5 * place * 3600.0
    if kind == "M":
        return float(plain) * 1e6 / 60, 0.5 * place * 1e6 / 60
    unit = printed[digits.end() :].strip()
    factor = units.DIMENSIONS[kind][1][unit]
    trimmed = 3 - len(mantissa.replace(".", "").lstrip("0-+"))  # trailing zeros are not printed
    return float(plain) * factor, 0.5 * place * factor * 10.0 ** -max(0, trimmed)


SCENARIOS = Path(__file__).parents[2] / "scenarios"
OVERRIDES = {
    "built-in": (),
    "first token from prefill": ("first_token_from=prefill",),
    "tight": ("classes.chat.rate=30 req/s", "classes.chat.slo={ttft: {mean: 300 ms}, itl: {p99: 40 ms}}"),
    "whole nodes": ("node.whole_nodes=true",),
    "mm1": ("prefill.discipline=mm1",),
    "one output token for some": (
        "classes=[{name: a, rate: 5 req/s, prompt_tokens: 800, output_tokens: {lognormal: {mean: 20, scv: 4}}, slo: {ttft: {p90: 1 s}}}]",
    ),
}
FILES = ("deepseek-v31-kingsoft", "three-classes", "distserve-search", "deepseek-r1-ep", "opt-13b-distserve")


def unexplained(plan: Plan) -> list[str]:
    """Numbers of a plan's text whose quantity is missing or has another value."""
    known = {d.name: d.value for d in plan.derivations}
    wrong = []
    for name, kind, printed in Reader(endings(plan.classes), frozenset(known)).read(
        plan_note(plan, width=10_000)
    ):
        sign, name = (-1.0, name[1:]) if name.startswith("-") else (1.0, name)
        if "||" in name:
            value, room = value_of(printed, kind)
            if not any(abs(known[n] - value) <= room * (1 + 1e-9) for n in name.split("||")):
                wrong.append(f"{printed}: none of {name}")
            continue
        if name not in known:
            wrong.append(f"{printed}: no quantity {name}")
            continue
        if kind == "label":
            degrees = dict(re.findall(r"([A-Z]+)(\d+)", printed))
            degrees.pop("EP", None)
            value, room = float(math.prod(int(d) for d in degrees.values())), 0.0
        else:
            value, room = value_of(printed, kind)
        if abs(sign * known[name] - value) > room * (1 + 1e-9) + 1e-12:
            wrong.append(f"{printed}: {name} is {known[name]:.6g}")
    return wrong


@pytest.mark.parametrize(
    "name", ["built-in", *(pytest.param(n, marks=pytest.mark.slow) for n in list(OVERRIDES)[1:])]
)
def test_every_number_of_the_text_is_explained(name: str) -> None:
    assert unexplained(size(builtin_scenario(OVERRIDES[name]))) == []


@pytest.mark.parametrize(
    "name",
    [
        "deepseek-v31-kingsoft",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("three-classes", *FILES[2:])),
    ],
)
def test_every_number_of_the_examples_is_explained(name: str) -> None:
    assert unexplained(size(pdplan.Scenario.load(SCENARIOS / f"{name}.yaml"))) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["chat-70b", "three-classes", "distserve-search"])
def test_every_number_of_a_verified_plan_is_explained(name: str) -> None:
    assert unexplained(pdplan.plan(pdplan.Scenario.load(SCENARIOS / f"{name}.yaml"))) == []


@pytest.mark.slow
def test_every_number_of_a_plan_from_a_trace_is_explained(tmp_path: Path) -> None:
    rows = "\n".join(
        f"{0.11 * i + 0.03 * (i % 7):.3f},{300 + 40 * (i % 23)},{20 + 9 * (i % 31)}" for i in range(3000)
    )
    (tmp_path / "trace.csv").write_text(f"arrival_s,prompt_tokens,output_tokens\n{rows}\n")
    (tmp_path / "s.yaml").write_text(
        "version: 1\nmodel: llama-3.1-8b\naccelerator: h100-sxm-80gb\nlink: roce-100g\nclasses:\n"
        "  - name: chat\n    rate: {trace: trace.csv, plan_for: p95 of 30 s windows}\n"
        "    slo: {ttft: {p95: 500 ms}, tpot: {p95: 20 ms}}\n"
    )
    plan = pdplan.plan(pdplan.Scenario.load(tmp_path / "s.yaml"))
    assert plan.replay is not None
    assert unexplained(plan) == []


@pytest.mark.slow
@pytest.mark.parametrize("tpot", ["9 ms", "12 ms", "16 ms"])
def test_every_number_of_tight_plans_is_explained(tpot: str) -> None:
    changes = (
        f"classes.chat.slo={{ttft: {{p95: 900 ms}}, tpot: {{p99: {tpot}}}}}",
        "classes.chat.rate=30 req/s",
    )
    try:
        plan = pdplan.plan(builtin_scenario(changes))
    except pdplan.InfeasibleError:
        pytest.skip("no fleet at all")
    assert unexplained(plan) == []


def test_a_line_without_a_template_is_noticed() -> None:
    with pytest.raises(AssertionError, match="no template"):
        Reader({}, frozenset()).read("Somebody added 7 lines")

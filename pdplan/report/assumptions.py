"""What a plan assumes and what its inputs are, each with where it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pdplan import units
from pdplan.errors import InputError
from pdplan.spec.catalog import catalog_document, load_accelerator
from pdplan.spec.items import NamedItem

if TYPE_CHECKING:
    from pdplan.planner.answer import Plan
    from pdplan.planner.problem import Problem

#: What each default means, and why it has its value.
MEANINGS: Final = {
    "latency": "step times from dimensions and peak rates; no measurement was given",
    "weights_dtype": "as the model was released",
    "kv_dtype": "as engines keep KV unless told otherwise; fp8 halves memory and freight",
    "node.nics": "of the accelerator's usual server",
    "memory.fraction": "usable share of memory; DistServe's published KV capacities give 0.916 to 0.930",
    "prefill.router": "how requests are dealt to instances",
    "prefill.discipline": "how waiting prompts enter a step",
    "prefill.max_batch_tokens": "token budget of one prefill step",
    "decode.max_batch": "sequences decoded together, at most",
    "decode.step_factor": "steps inside a serving system take the isolated step time over this factor",
    "colocated.chunk_tokens": "token budget of a colocated step",
    "first_token_from": "TTFT includes the transfer of KV and the first decode step if this is decode",
    "overlap": "share of prefill behind which the transfer may hide; 0% is the careful end",
    "max_utilization": "no station is planned above this load",
}


@dataclass(frozen=True, slots=True)
class Reference:
    """A source of the numbers of one catalog entry."""

    what: str
    url: str
    checked: str


@dataclass(frozen=True, slots=True)
class Input:
    """A catalog entry that the plan uses: its numbers in words, and their sources."""

    role: str
    name: str
    facts: str
    sources: tuple[Reference, ...]


def inputs_of(plan: Plan) -> tuple[Input, ...]:
    """Return what the plan reads from the catalog; entries of the user's own have no sources."""
    problem: Problem = plan.basis.search.problem
    shape = problem.model.shape
    model = (
        f"{shape.layers} layers, hidden size {shape.hidden:,}, {shape.heads} heads, {shape.kv_heads} KV heads"
    )
    rows = [Input("model", problem.model.name, model, _references(problem.model))]
    names = dict.fromkeys((plan.fleet.prefill.accelerator, plan.fleet.decode.accelerator))
    rows += [_accelerator(name, problem.scenario.prices) for name in names]
    link = problem.link
    rows.append(Input("link", link.name, _link(plan), _references(link)))
    rows += list(_workloads(problem))
    return tuple(rows)


def _accelerator(name: str, prices: Mapping[str, float]) -> Input:
    item = load_accelerator(name)
    usd = prices.get(item.name, item.price_usd_per_hour)
    memory = units.show(item.memory_bytes, "bytes")
    rate = units.show(item.memory_bytes_per_s, "bytes_per_s")
    facts = f"{memory} memory at {rate}, {usd:.2f} USD/h a GPU"
    price = item.price
    quoted = Reference(f"price: {price.what}", str(price.url), price.checked.isoformat())
    given = Reference("price: the scenario's own", "", "")
    first = given if item.name in prices else quoted
    return Input("accelerator", item.name, facts, (first, *_references(item)))


def _link(plan: Plan) -> str:
    return f"{units.show(plan.fleet.link.egress_bytes_per_s, 'bytes_per_s')} out of one prefill instance"


def _workloads(problem: Problem) -> Iterator[Input]:
    for name in dict.fromkeys(c.workload for c in problem.scenario.classes if c.workload):
        try:
            document: dict[str, Any] = catalog_document("workloads", name)
        except InputError:
            continue  # a file of the user's own
        sources = tuple(
            Reference(str(s.get("what", "")), str(s.get("url", "")), str(s.get("checked", "")))
            for s in document.get("sources", ())
        )
        yield Input("workload", name, str(document.get("about", "")).strip(), sources)


def _references(item: NamedItem) -> tuple[Reference, ...]:
    return tuple(Reference(s.what, str(s.url), s.checked.isoformat()) for s in item.sources)

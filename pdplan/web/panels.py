"""The answer on the page: words on top, pictures below; each panel is drawn from the answer's document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui

from pdplan.web import words
from pdplan.web.charts.frontier import frontier_chart
from pdplan.web.charts.law import Limit, law_chart
from pdplan.web.charts.tables import verdict_table
from pdplan.web.elements import Element, choice, tag
from pdplan.web.stations import breakdown, loads

Answer = dict[str, Any]


class Block:
    """A piece of HTML that is sent only when it changes."""

    def __init__(self, kind: str = "", name: str = "", scrolls: str = "") -> None:
        self._html = ui.html("", sanitize=False).classes(f"{kind} {'scroll' if scrolls else ''}")
        if name:
            self._html.props["id"] = name
        if scrolls:  # what scrolls sideways must be reached by keys, and have a name
            self._html.props.update({"tabindex": "0", "role": "region", "aria-label": scrolls})
        self._shown = ""

    def show(self, content: str) -> None:
        """Show other content."""
        if content != self._shown:
            self._shown = content
            self._html.set_content(content)


class Panels:
    """All panels of one page."""

    def __init__(self) -> None:
        self._plan: Answer | None = None
        self._simulated: dict[str, Any] = {}
        self._classes: list[str] = []

    def draw_top(self) -> None:
        """Lay out the words on top."""
        with tag("section", kind="top", aria_live="polite", aria_label="answer"):
            self._headline = Block()
            self._verdicts = Block()

    def draw_objectives(self) -> None:
        """Lay out the objectives."""
        with _panel("Objectives"):
            self._objectives = Block(scrolls="objectives")

    def draw(self, on_mapped: Callable[[int], None]) -> None:
        """Lay out the pictures; ``on_mapped`` is told the class whose map is wanted."""
        self._on_mapped = on_mapped
        with tag("div", kind="laws"):
            self._laws = Block("laws-inside", "laws")
        with _panel("Mean TTFT"):
            self._breakdown = Block()
        with _panel("Stations"):
            self._loads = Block()
        with _panel("Split or not"):
            self._mapped = tag("div")
            self._map = Block("", "map", scrolls="map of verdicts")
        with _panel("Price and latency"):
            self._frontier = Block("", "frontier")
        with _panel("All latencies", kind="wide"):
            self._latencies = Block(scrolls="all latencies")

    def show(self, answer: Answer, revision: int, *, settled: bool) -> None:
        """Show an answer; one at once leaves what only a full one has as it was."""
        self._headline.show(words.headline(answer, revision, settled=settled))
        if settled:
            self._plan = answer
            self._simulated = answer.get("simulated", {})
            self._verdicts.show(
                words.verdicts(answer) + (words.colocated(answer) if answer["feasible"] else "")
            )
        elif not answer["feasible"]:
            self._verdicts.show("")
        else:
            self._simulated = {}
        if not answer["feasible"]:
            return
        self._objectives.show(words.objectives(answer))
        self._laws.show(self._law_pictures(answer))
        self._breakdown.show("".join(breakdown(c) for c in answer["fleet"]["classes"]))
        self._loads.show(loads(answer["fleet"]))
        self._offer_maps([c["name"] for c in answer["fleet"]["classes"]])
        self._latencies.show(words.latencies(answer))

    def _offer_maps(self, names: list[str]) -> None:
        """Offer the classes that a map may be of, where there are several."""
        if names == self._classes:
            return
        self._classes = names
        self._mapped.clear()
        if len(names) > 1:
            options = [(str(i), name) for i, name in enumerate(names)]
            with self._mapped:
                choice("Class of the map", options, "0", lambda index: self._on_mapped(int(index)))

    def show_map(self, drawn: dict[str, Any] | None) -> None:
        """Show the map of verdicts, as far as it is known."""
        self._map.show("<p>being drawn</p>" if drawn is None else verdict_table(drawn))

    def show_frontier(self, found: dict[str, Any] | None, answer: Answer) -> None:
        """Show the frontier."""
        if found is None:
            self._frontier.show("<p>being drawn</p>")
        elif not found.get("points"):
            self._frontier.show("<p>No fleet of this size meets the other objectives.</p>")
        else:
            limits = [_limits(c, "ttft") for c in answer["fleet"]["classes"]]
            p99 = [limit.limit_s for row in limits for limit in row if limit.stat == "p99"]
            picture = frontier_chart(
                found["points"], answer["fleet"]["cost"]["usd_per_hour"], min(p99, default=None)
            )
            legend = (
                '<p class="legend"><span class="key split"></span> split <span class="key colocated"></span> '
                f"colocated; TTFT p99 of fleets of up to {found['gpus']} GPUs; filled: no fleet beats it; "
                "the upright line is what the plan costs</p>"
            )
            self._frontier.show(picture + legend)

    def _law_pictures(self, answer: Answer) -> str:
        drawn = []
        for c in answer["fleet"]["classes"]:
            for metric in ("ttft", "tpot"):
                curve = answer["laws"][c["name"]].get(metric)
                if not curve:
                    continue
                name = f"{metric.upper()} of {c['name']}"
                simulated = self._simulated.get(c["name"], {}).get(metric)
                picture = law_chart(name, curve, _limits(c, metric), simulated)
                legend = (
                    '<p class="legend"><span class="key curve"></span> formula <span class="key simulated">'
                    "</span> simulated</p>"
                    if simulated
                    else ""
                )
                drawn.append(
                    f'<section class="panel"><h2>{name} by percentile</h2>{picture}{legend}</section>'
                )
        return "".join(drawn)


def _panel(title: str, kind: str = "") -> Element:
    """Open a panel with a title."""
    made = tag("section", kind=f"panel {kind}")
    with made:
        tag("h2", title)
    return made


def _limits(c: dict[str, Any], metric: str) -> list[Limit]:
    """Return the objectives of one class on one metric."""
    found = []
    for o in c["objectives"]:
        first, stat = o["target"].split(" ")[:2]
        if first == metric and "limit_s" in o:
            found.append(Limit(stat, o["limit_s"], o["value_s"], o["status"] != "missed"))
    return found

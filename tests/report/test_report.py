"""The report: its numbers are the JSON's, it needs nothing else, it is the same every time."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_pages import Page
from typer.testing import CliRunner

import pdplan
import pdplan.report.page
from pdplan.cli.app import app
from pdplan.errors import InputError
from pdplan.report import check_target, report_html, write_report
from pdplan.report.assumptions import inputs_of
from pdplan.report.cost_curve import cost_curve
from pdplan.report.figures import cost_picture, parts_picture
from pdplan.report.reproduce import command, scenario_yaml
from pdplan.report.show import Show, resolve, shown
from pdplan.spec.loading import load_scenario, parse_scenario

ROOT = Path(__file__).parents[2]
SMALL = """
version: 1
name: chat <script>alert(1)</script> & "quotes"
model: llama-3.1-8b
accelerator: h100-sxm-80gb
link: roce-100g
prefill: {parallel: {tp: [1]}}
decode: {parallel: {tp: [1]}}
classes:
  - name: chat
    rate: 6 req/s
    prompt_tokens: 1000
    output_tokens: 100
    slo: {ttft: {p99: 1 s}, tpot: {p95: 50 ms}}
"""
REQUESTS = 4000


@pytest.fixture(scope="module")
def plan() -> pdplan.planner.Plan:
    return pdplan.plan(parse_scenario(SMALL), requests=REQUESTS)


@pytest.fixture(scope="module", autouse=True)
def _short_curve() -> Iterator[None]:
    """Plan at one other rate instead of six: what the curve shows has a test of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pdplan.report.page, "cost_curve", partial(cost_curve, factors=(0.5, 1.0)))
        yield


@pytest.fixture(scope="module")
def html(plan: Any) -> str:
    return report_html(plan, requests=REQUESTS)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def hold_page_against_json(page: Page, documents: dict[str, Any]) -> int:
    """Compare every value on a page with the JSON that it names; return how many."""
    for element in page.of_json():
        pointer = element.attributes["data-json"] or ""
        name, _, path = pointer.rpartition(":") if ":/" in pointer else ("plan", "", pointer)
        value = resolve(documents[name], path)
        if element.tag == "data":
            assert float(element.attributes["value"] or "nan") == value, pointer
            kind = element.attributes["data-kind"] or ""
            assert element.text.replace("\N{NO-BREAK SPACE}", " ") == shown(value, kind), pointer
        elif value is not None:
            assert element.text in (str(value), shown(value, "target")), pointer
    return len(page.of_json())


def validation_of(plan: Any, requests: int) -> dict[str, Any]:
    from pdplan.planner.validation import validate_fleet

    document = validate_fleet(plan.scenario, plan.basis.chosen, seed=0, requests=requests).document()
    return json.loads(json.dumps(document, allow_nan=False))


def test_every_number_is_the_json_s(plan: Any, page: Page) -> None:
    documents = {"plan": json.loads(json.dumps(plan.document())), "validation": validation_of(plan, REQUESTS)}
    assert hold_page_against_json(page, documents) > 150


def test_no_number_stands_in_a_cell_or_in_the_answer_by_itself(page: Page) -> None:
    cells = [e for e in page.all("td") if {"n", "interval"} & set((e.attributes.get("class") or "").split())]
    assert len(cells) > 60
    (key,) = [e for e in page.all("dl") if e.attributes.get("class") == "key"]
    for cell in [*cells, *page.all("h1"), key]:
        assert not re.search(r"\d", cell.loose), cell.loose


def test_figures_say_what_the_json_says(plan: Any, html: str) -> None:
    loads = html[html.index("Load of each station, with") :]
    loads = loads[: loads.index("</svg>")]
    for load in (plan.fleet.prefill.utilization, plan.fleet.decode.utilization):
        text = f"{load:.1%}" if load < 0.1 else f"{load:.0%}"
        assert f">{text}</text>" in loads


def test_the_answer_comes_first(plan: Any, page: Page) -> None:
    cost = plan.cost
    pools = [(plan.fleet.prefill, "prefill"), (plan.fleet.decode, "decode")]
    words = [
        f"{p.count} {role} instance{'' if p.count == 1 else 's'} on {p.gpus} GPU{'' if p.gpus == 1 else 's'}"
        for p, role in pools
    ]
    expected = f"Buy {cost.gpus_bought} GPUs for {cost.usd_per_hour:.2f} USD/h: {' and '.join(words)}."
    assert page.all("h1")[0].text.replace("\N{NO-BREAK SPACE}", " ") == expected
    confidence = next(e for e in page.elements if e.attributes.get("id") == "confidence")
    assert confidence.text == f"{plan.verification}."


def test_what_stands_around_the_plan_is_said_as_in_its_text(plan: Any, page: Page) -> None:
    text = " ".join(str(plan).split())
    (section,) = [e for e in page.all("section") if e.attributes.get("id") == "around"]
    (words,) = [e for e in section.children if e.tag == "dl"]
    said = [e.text for e in words.children]
    assert said[::2] == ["Runner-up", "Breaks first", "Most sensitive", "Doubt", "Spares"]
    for what, sentence in zip(said[::2], said[1::2], strict=True):
        assert f"{what}: {sentence}" in text


def test_a_hostile_name_is_text(html: str, page: Page) -> None:
    assert not page.all("script")
    assert "<script" not in html
    title = page.all("title")[0].text
    assert title == 'chat <script>alert(1)</script> & "quotes": capacity plan'


def test_a_hostile_name_is_text_in_a_figure(plan: Any) -> None:
    bad = '<img src=x onerror="alert(1)">$'
    svg = parts_picture([replace(c, name=bad) for c in plan.classes]).svg
    assert not Page(svg).all("img")
    assert bad in Page(svg).all("svg")[0].text


def test_a_figure_is_the_same_every_time(plan: Any) -> None:
    assert parts_picture(plan.classes).svg == parts_picture(plan.classes).svg


def test_the_curve_of_costs_passes_through_the_plan(plan: Any) -> None:
    half, planned = cost_curve(plan, (0.5, 1.0))
    assert (half.rate, planned.rate) == (3.0, 6.0)
    assert planned.split == plan.cost.usd_per_hour
    assert planned.colocated_low == plan.colocated.cost_low.usd_per_hour
    other = pdplan.plan(parse_scenario(SMALL.replace("6 req/s", "3 req/s")), verify=False)
    assert half.split == other.cost.usd_per_hour
    assert half.colocated_high == other.colocated.cost.usd_per_hour
    gap = replace(half, split=None, colocated_low=None, colocated_high=None)
    assert "<svg" in cost_picture([gap, planned]).svg


@pytest.mark.slow
def test_hostile_names_of_classes_are_text_in_tables_and_figures(plan: Any) -> None:
    """A file cannot name a class like this; a program can build one."""
    bad = '<img src=x onerror="alert(1)">'
    fleet = replace(plan.fleet, classes=tuple(replace(c, name=bad) for c in plan.classes))
    verdicts = tuple(replace(v, name=bad) for v in plan.verdicts)
    text = report_html(replace(plan, fleet=fleet, verdicts=verdicts, verification=None, unverified=bad))
    page = Page(text)
    assert not page.all("img")
    assert bad in page.all("body")[0].text
    assert not [name for e in page.elements for name in e.attributes if name.startswith("on")]


def test_it_needs_nothing_else(html: str, page: Page) -> None:
    for element in page.elements:
        for name in ("src", "srcset", "data", "action", "poster", "xlink:href"):
            assert name not in element.attributes, (element.tag, name)
        href = element.attributes.get("href") or "#"
        assert element.tag == "a" or href.startswith("#"), (element.tag, href)
    assert not page.all("link")
    style = page.all("style")[0].text
    assert "@import" not in style
    assert "url(" not in style
    assert not re.findall(r"url\((?!#)", html)


def test_ids_are_unique_and_references_meet_them(html: str, page: Page) -> None:
    ids = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:url\(#|href="#)([^")]+)', html)) <= set(ids)


def test_every_figure_has_words_for_those_who_cannot_see_it(page: Page) -> None:
    figures = page.all("svg")
    assert len(figures) >= 7
    assert all(f.attributes["role"] == "img" and f.attributes["aria-label"] for f in figures)


@pytest.mark.slow
def test_it_is_the_same_every_time_and_has_no_date(plan: Any, html: str) -> None:
    assert report_html(plan, requests=REQUESTS) == html
    assert "<dc:date>" not in html


def test_the_scenario_in_it_gives_the_same_plan(plan: Any, page: Page) -> None:
    text = next(e for e in page.all("pre") if e.attributes.get("id") == "scenario").text
    again = pdplan.plan(parse_scenario(text), verify=False)
    assert again.document()["fleet"] == plan.document()["fleet"]
    assert again.document()["defaults"] == plan.document()["defaults"]
    line = next(e for e in page.all("pre") if e.attributes.get("id") == "command").text
    assert line == f"pdplan plan scenario.yaml --requests {REQUESTS} --report plan.html"


@pytest.mark.parametrize("path", sorted((ROOT / "scenarios").rglob("*.yaml")), ids=lambda p: p.name)
def test_every_scenario_survives_being_written_again(path: Path) -> None:
    if "llmservingsim" in path.parts:
        pytest.skip("not a scenario file")
    scenario = load_scenario(str(path))
    again = parse_scenario(scenario_yaml(scenario), str(path))
    assert again.model_dump(mode="json") == scenario.model_dump(mode="json")


@pytest.mark.slow
def test_an_unverified_plan_says_so_and_has_no_validation(plan: Any) -> None:
    text = report_html(pdplan.plan(plan.scenario, verify=False))
    assert "Not simulated: not asked for." in text
    assert "validation:/" not in text
    assert "--no-verify" in text
    assert 'id="simulated' not in text


def test_commands_say_what_was_asked() -> None:
    scenario = parse_scenario(SMALL, "my plans/chat 1.yaml")
    assert command(scenario, verified=True, requests=None, seed=0) == (
        "pdplan plan 'chat 1.yaml' --report plan.html"
    )
    assert command(scenario, verified=False, requests=None, seed=3) == (
        "pdplan plan 'chat 1.yaml' --no-verify --seed 3 --report plan.html"
    )


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (None, "time", "–"),
        (0.0, "usd", "0.00"),
        (0.0123, "usd", "0.0123"),
        (1234.5, "price", "1,234.50 USD/h"),
        (-0.1486, "signed", "\N{MINUS SIGN}15%"),
        (-0.0001, "signed", "0.0%"),
        (0.0279, "fraction", "2.8%"),
        (378450182.1, "bytes", "361 MiB"),
        ("ttft p99 <= 2 s", "target", "TTFT p99 ≤ 2 s"),
    ],
)
def test_values_as_the_page_writes_them(value: Any, kind: str, text: str) -> None:
    assert shown(value, kind) == text


@given(st.text(max_size=40), st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_any_text_and_any_number_are_shown_and_can_be_read_back(text: str, number: float) -> None:
    text = text.replace("\r", "").replace("\0", "")
    show = Show({"plan": {"name": text, "cost": number}})
    (name,) = Page(str(show("/name"))).elements
    assert name.text == text
    (cost,) = Page(str(show("/cost", "usd"))).elements
    assert float(cost.attributes["value"] or "nan") == number
    assert cost.text == shown(number, "usd")


def test_a_pointer_that_leads_nowhere_is_an_error() -> None:
    with pytest.raises(KeyError):
        Show({"plan": {"fleet": {}}})("/fleet/cost", "usd")


@pytest.mark.parametrize(
    ("name", "why"),
    [("plan.pdf", "ends in .html"), ("nowhere/plan.html", "does not exist"), ("folder.html", "is a folder")],
)
def test_a_place_that_cannot_be_is_refused_before_anything_runs(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(InputError, match=re.escape(why)):
        check_target(tmp_path / name)
    found = CliRunner().invoke(app, ["plan", "--report", str(tmp_path / name)])
    assert isinstance(found.exception, InputError)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder.html"]


def test_without_matplotlib_a_report_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"^plots need matplotlib: pip install 'pdplan\[plot\]'$"):
        check_target("plan.html")


def test_an_infeasible_scenario_leaves_no_file(tmp_path: Path) -> None:
    source = tmp_path / "chat.yaml"
    source.write_text(SMALL.replace("p99: 1 s", "p99: 1 ms"))
    found = CliRunner().invoke(app, ["plan", str(source), "--report", str(tmp_path / "plan.html")])
    assert isinstance(found.exception, pdplan.InfeasibleError)
    assert [p.name for p in tmp_path.iterdir()] == ["chat.yaml"]


def test_a_price_of_the_scenario_s_own_has_no_source() -> None:
    from pdplan.planner import size

    own = parse_scenario(SMALL + "prices: {h100-sxm-80gb: 1.50 USD/h}\n")
    (gpu,) = [row for row in inputs_of(size(own)) if row.role == "accelerator"]
    assert "1.50 USD/h a GPU" in gpu.facts
    assert (gpu.sources[0].what, gpu.sources[0].url) == ("price: the scenario's own", "")
    (gpu,) = [row for row in inputs_of(size(parse_scenario(SMALL))) if row.role == "accelerator"]
    assert gpu.sources[0].url.startswith("https://")


def test_a_failure_leaves_no_file(plan: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pdplan.report.page as module

    def fail(*args: Any, **kwargs: Any) -> str:
        raise InputError("the disk is full")

    monkeypatch.setattr(module, "report_html", fail)
    with pytest.raises(InputError, match="disk"):
        write_report(plan, tmp_path / "plan.html")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on this machine")
def test_it_prints_on_a4(html: str, tmp_path: Path) -> None:
    page, pdf = tmp_path / "plan.html", tmp_path / "plan.pdf"
    page.write_text(html, encoding="utf-8")
    subprocess.run(
        ["chromium", "--headless", "--no-sandbox", f"--print-to-pdf={pdf}", page.as_uri()],
        check=True,
        capture_output=True,
        timeout=120,
    )
    boxes = re.findall(rb"/MediaBox \[([\d. ]+)\]", pdf.read_bytes())
    assert 3 <= len(boxes) <= 12
    for box in boxes:
        assert [round(float(x)) for x in box.split()[2:]] == [595, 842]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["chat-70b.yaml", "three-classes.yaml", "deepseek-r1-ep.yaml"])
def test_page_and_json_of_the_command_agree(name: str, tmp_path: Path) -> None:
    source = str(ROOT / "scenarios" / name)
    target = tmp_path / "plan.html"
    brief = [] if name == "chat-70b.yaml" else ["--brief"]
    found = CliRunner().invoke(app, ["plan", source, "--json", *brief, "--report", str(target)])
    assert found.exit_code == 0, found.output
    plan = json.loads(found.stdout)
    again = pdplan.plan(load_scenario(source))
    documents = {"plan": plan, "validation": validation_of(again, 400_000)}
    assert hold_page_against_json(Page(target.read_text(encoding="utf-8")), documents) > 150

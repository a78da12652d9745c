"""The page in headless Chromium: what it answers, keeps, takes, gives, and never asks of others."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from opened import PHONE, Opened

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


@pytest.fixture
def opened(browser: Any, server: str) -> Iterator[Opened]:
    page = Opened(browser, server)
    yield page
    assert page.complaints == []
    assert page.elsewhere() == []
    page.close()


def test_the_answer_is_that_of_the_command_line(opened: Opened) -> None:
    from pdplan.planner import size
    from pdplan.spec.builtin import builtin_scenario

    plan = size(builtin_scenario())
    words = opened.words()
    assert f"{plan.cost.usd_per_hour:.2f} USD/h" in words
    assert plan.binding.tightest in words
    p, d = plan.fleet.prefill, plan.fleet.decode
    assert f"{p.count} prefill × {p.parallelism}" in words
    assert f"{d.count} decode × {d.parallelism}" in words
    assert plan.verdicts[0].why in opened.page.inner_text(".verdicts")


def test_a_faster_rate_costs_more_and_the_charts_follow(opened: Opened) -> None:
    before = opened.words()
    law = opened.page.inner_html("#laws")
    opened.changed("rate-0", "ArrowRight", 40)
    assert opened.words() != before
    assert opened.page.inner_html("#laws") != law
    assert float(re.search(r"([\d.]+) USD/h", opened.words())[1]) > 23.92  # type: ignore[index]


def test_every_slider_moves_by_keys_and_says_its_value(opened: Opened) -> None:
    sliders = opened.page.query_selector_all("input[type=range]")
    assert len(sliders) >= 8
    for slider in sliders:
        name = slider.get_attribute("aria-label")
        before = slider.get_attribute("aria-valuetext")
        slider.focus()
        opened.page.keyboard.press("ArrowRight")
        opened.page.wait_for_function(
            "([e, was]) => e.getAttribute('aria-valuetext') !== was", arg=[slider, before]
        )
        assert name
    opened.page.wait_for_timeout(300)
    opened.settled()


def test_a_typed_value_counts_and_a_wrong_one_is_refused(opened: Opened) -> None:
    field = opened.page.get_by_label("Arrival rate, typed")
    field.fill("20 req/s")
    field.press("Enter")
    opened.page.wait_for_function(
        "() => document.querySelector('#rate-0').getAttribute('aria-valuetext') === '20 req/s'"
    )
    opened.page.wait_for_function("() => +document.querySelector('#answer').dataset.revision > 0")
    field.fill("quickly")
    field.press("Enter")
    opened.page.wait_for_selector(".error")
    assert "quickly" in opened.page.inner_text(".error")


def test_no_fleet_is_said_in_words(opened: Opened) -> None:
    opened.changed("tpot-p95-0", "Home")
    assert "No fleet meets these objectives" in opened.words()
    assert "nearest that can be met" in opened.words()


def test_each_class_has_its_map(browser: Any, server: str) -> None:
    from pdplan.web.address import packed
    from pdplan.web.state import first_document

    document = first_document()
    document["classes"].append(document["classes"][0] | {"name": "code"})
    page = Opened(browser, f"{server}/?s={packed(document)}")
    for name in ("code", "chat"):
        page.page.select_option("select[aria-label='Class of the map']", label=name)
        page.page.wait_for_function(
            "(name) => document.querySelector('#map caption')?.innerText.startsWith(name)"
            " && !document.querySelector('#map td.waiting')",
            arg=name,
        )
    assert page.complaints == []
    page.close()


def test_an_address_restores_the_state(opened: Opened, browser: Any) -> None:
    opened.changed("rate-0", "ArrowRight", 30)
    opened.changed("prompt_tokens-0", "ArrowRight", 10)
    opened.page.wait_for_function("() => location.search.startsWith('?s=')")
    opened.page.wait_for_timeout(500)
    shared, words = opened.page.url, opened.words()
    other = Opened(browser, shared)
    assert other.words() == words.replace("settling", "")
    for name in ("rate-0", "ttft-p99-0", "bandwidth"):
        at = opened.page.get_attribute(f"#{name}", "aria-valuetext")
        assert other.page.get_attribute(f"#{name}", "aria-valuetext") == at
    assert other.complaints == []
    other.close()


@pytest.mark.parametrize(
    "state", ["nonsense", "A" * 13_000, "%00", "eyJhIjoxfQ", "<script>alert(1)</script>"]
)
def test_a_broken_address_gives_the_example_and_says_so(browser: Any, server: str, state: str) -> None:
    page = Opened(browser, f"{server}/?s={state}")
    assert "this is the built-in example" in page.page.inner_text(".error")
    assert "23.92 USD/h" in page.words()
    page.close()


def test_verify_shows_progress_and_the_simulated_law(opened: Opened) -> None:
    opened.page.click("#verify")
    opened.page.wait_for_selector("progress", state="visible")
    opened.page.wait_for_selector("#verification table")
    opened.page.wait_for_selector("progress", state="hidden")
    assert "holds" in opened.page.inner_text("#verification")
    assert opened.page.query_selector("#laws path.simulated") is not None
    # it settles what formulas leave open, and a further move takes it away
    assert "open until simulated" not in opened.page.inner_text(".verdicts")
    opened.changed("rate-0", "ArrowRight")
    assert opened.page.query_selector("#laws path.simulated") is None


def test_a_trace_gives_rate_and_lengths(opened: Opened, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    arrival = np.cumsum(rng.exponential(0.25, 4000))  # 4 req/s for 1000 s
    rows = [
        f"{a:.4f},{p},{o}"
        for a, p, o in zip(arrival, rng.integers(400, 1200, 4000), rng.integers(50, 150, 4000), strict=True)
    ]
    path = tmp_path / "my trace{{7*7}}.csv"
    path.write_text("arrival_s,prompt_tokens,output_tokens\n" + "\n".join(rows))
    opened.page.set_input_files("#upload-trace", str(path))
    opened.page.wait_for_selector(".status-line:has-text('4,000 requests')")
    opened.page.wait_for_function(
        "() => /^(79|80)\\d tok$/.test("
        "document.querySelector('#prompt_tokens-0').getAttribute('aria-valuetext'))"
    )
    rate = float(opened.page.get_attribute("#rate-0", "aria-valuetext").split()[0])
    assert 4.0 < rate < 6.0  # p99 of 60 s windows of a mean of 4
    assert "my-trace-7-7-.csv" in opened.page.inner_text(".status-line")


def test_a_benchmark_gives_step_times(opened: Opened) -> None:
    opened.page.get_by_label("Model", exact=True).select_option("llama-3.1-8b")
    opened.page.wait_for_timeout(1000)
    opened.page.set_input_files("#upload-benchmark", str(ROOT / "scenarios" / "own-data" / "bench.json"))
    opened.page.wait_for_selector(".status-line:has-text('step times fitted')")
    opened.page.wait_for_function(
        "() => /latency: bench-[0-9a-f]{16}\\.yaml/.test(document.querySelector('textarea').value)"
    )


@pytest.mark.parametrize(
    ("name", "content"), [("a.csv", b""), ("b.json", b"{}"), ("c.csv", b"\x00\xff" * 500)]
)
@pytest.mark.parametrize("kind", ["trace", "benchmark"])
def test_what_is_no_trace_is_refused_in_one_line(
    opened: Opened, tmp_path: Path, name: str, content: bytes, kind: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    before = opened.words()
    opened.page.set_input_files(f"#upload-{kind}", str(path))
    opened.page.wait_for_selector(".error")
    line = opened.page.inner_text(".error")
    assert name in line
    assert "/tmp" not in line
    assert opened.words() == before


def test_what_is_exported_plans_the_same(opened: Opened, tmp_path: Path) -> None:
    from pdplan.planner.json_answers import plan_answer
    from pdplan.spec.scenario import Scenario

    opened.changed("rate-0", "ArrowRight", 5)
    with opened.page.expect_download() as scenario:
        opened.page.click("#export-scenario")
    path = tmp_path / "scenario.yaml"
    scenario.value.save_as(path)
    with opened.page.expect_download() as plan:
        opened.page.get_by_label("Download the plan as JSON").click()
    plan.value.save_as(tmp_path / "plan.json")
    assert (tmp_path / "plan.json").read_text() == plan_answer(Scenario.load(str(path))).text
    with opened.page.expect_download() as manifest:
        opened.page.get_by_label("Download manifests").click()
    manifest.value.save_as(tmp_path / "serve.sh")
    assert "vllm" in (tmp_path / "serve.sh").read_text()


def test_the_report_is_exported(opened: Opened, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra plot is not installed")
    with opened.page.expect_download() as report:
        opened.page.get_by_label("Download the report").click()
    report.value.save_as(tmp_path / "plan.html")
    assert "</html>" in (tmp_path / "plan.html").read_text()


def test_a_scenario_as_text_is_applied_or_refused(opened: Opened) -> None:
    opened.page.click("summary")
    area = opened.page.locator("textarea")
    text = area.input_value()
    area.fill(text.replace("llama-3.1-70b", "/etc/passwd"))
    opened.page.get_by_role("button", name="Apply").click()
    opened.page.wait_for_selector(".error")
    assert "not read" in opened.page.inner_text(".error")
    named = json.dumps('<img src=x onerror="alert(1)">{{7*7}}')
    area.fill(re.sub("name: chat on.*", f"name: {named}", text.replace("llama-3.1-70b", "llama-3.1-8b")))
    opened.page.get_by_role("button", name="Apply").click()
    opened.page.wait_for_function("() => !document.querySelector('.error')")
    opened.settled()
    assert opened.page.query_selector("img") is None


def test_classes_come_and_go(opened: Opened) -> None:
    opened.page.get_by_role("button", name="Add a class").click()
    opened.page.wait_for_selector("legend:has-text('class-2')")
    opened.page.wait_for_selector(".verdicts li:nth-child(2)")
    opened.page.get_by_role("button", name="Remove class class-2").click()
    opened.page.wait_for_selector("legend:has-text('class-2')", state="detached")


def test_map_and_frontier_follow(opened: Opened) -> None:
    opened.page.wait_for_selector("#frontier svg")
    opened.page.wait_for_selector("#map td.here:not(.waiting)")
    opened.page.wait_for_function("() => document.querySelectorAll('#map td.waiting').length === 0")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("phone", [False, True])
def test_no_serious_fault_of_access(browser: Any, server: str, dark: bool, phone: bool) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    page = Opened(browser, server, dark=dark, **({"size": PHONE} if phone else {}))
    page.page.wait_for_selector("#frontier svg")
    found = axe.Axe().run(page.page).response["violations"]
    serious = [
        f"{v['id']}: {[n['html'][:120] for n in v['nodes'][:3]]}"
        for v in found
        if v["impact"] in ("serious", "critical")
    ]
    assert serious == []
    page.close()


def test_a_phone_scrolls_down_only(browser: Any, server: str) -> None:
    page = Opened(browser, server, size=PHONE)
    page.page.wait_for_selector("#frontier svg")
    assert page.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.close()

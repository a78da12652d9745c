"""An honest no: exit 1, one line that says why, and with --json a document that says so too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pdplan.cli.app import app, guarded

#: A prefill takes about 30 ms here: no fleet gives the first token in 0.1 ms.
HOPELESS = """\
version: 1
model: llama-3.1-8b
accelerator: h100-sxm-80gb
link: ib-ndr-400g
classes:
  - {name: chat, rate: 8 req/s, prompt_tokens: 1000, output_tokens: 200, slo: {ttft: {p99: 0.1 ms}}}
prefill: {parallel: {tp: [1]}, discipline: one_at_a_time}
decode: {parallel: {tp: [1]}}
"""


def run(*words: str) -> int:
    return guarded(lambda: app(args=list(words), prog_name="pdplan", standalone_mode=False))


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "--no-verify"),
        ("designs", "--no-verify"),
        ("export", "--to", "vllm", "--no-verify"),
        ("explain", "ttft"),
        ("sensitivity",),
        ("doubt",),
        ("spares",),
        ("simulate",),
        ("validate",),
        ("goodput",),
        ("predict",),
        ("placement", "--no-verify"),
        ("placement", "--no-verify", "--affinity", "high"),
    ],
    ids=" ".join,
)
def test_an_honest_no_is_json_where_json_is_asked_for(
    words: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    scenario = tmp_path / "hopeless.yaml"
    scenario.write_text(HOPELESS)
    assert run(*words, str(scenario), "--json") == 1
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["schema"] == f"pdplan.{words[0]}/1"
    assert document["feasible"] is False
    assert document["binding"] in err
    assert list(tmp_path.iterdir()) == [scenario]


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("max_utilization=1e-12", "even 100,000 prefill instances are loaded above max_utilization 1e-12"),
        ("link_bandwidth=1 B/s", "with 100,000 instances of each the link is loaded above"),
        ("link_bandwidth=1 MB/s", "ttft p99 <= 2 s cannot be met: prefill TP1 gives"),
    ],
)
def test_a_load_that_no_fleet_carries_is_named(
    setting: str, why: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    scenario = tmp_path / "hopeless.yaml"
    scenario.write_text(HOPELESS.replace("0.1 ms", "2 s"))
    assert run("plan", "--no-verify", str(scenario), "--set", setting) == 1
    assert why in capsys.readouterr().err

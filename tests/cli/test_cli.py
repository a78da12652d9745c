"""The command line as a person meets it: text, JSON, exit codes, one clear line for what is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from pdplan.cli import main
from pdplan.spec.builtin import BUILTIN

SCENARIOS = Path(__file__).parents[2] / "scenarios"


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(list(argv))
    out = capsys.readouterr()
    return int(left.value.code or 0), out.out, out.err


@pytest.fixture(scope="module")
def plan_json() -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-m", "pdplan", "plan", "--no-verify", "--json", "--brief"],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_plan_without_scenario_says_it_is_the_example(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "plan", "--no-verify")
    assert code == 0
    assert "built-in example" in err
    for word in ("Buy", "Binding", "prefill", "decode", "USD/h", "Colocated", "Verdict", "Assumed", "trust"):
        assert word in out
    assert "\x1b" not in out
    assert "nan" not in out.lower().replace("nanosecond", "")


@pytest.mark.parametrize("columns", [80, 120])
def test_text_fits_its_width(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for command in ("plan --no-verify", "split --no-verify"):
        _, out, _ = run(capsys, *command.split())
        assert max(len(line) for line in out.splitlines()) <= columns + 20
        long = [line for line in out.splitlines() if len(line) > columns and "http" not in line]
        assert not long, long


def test_json_is_one_stable_document(plan_json: dict[str, object]) -> None:
    assert plan_json["schema"] == "pdplan.plan/1"
    again = subprocess.run(
        [sys.executable, "-m", "pdplan", "plan", "--no-verify", "--json", "--brief"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(again.stdout) == plan_json
    assert again.stdout == json.dumps(plan_json, indent=2, ensure_ascii=False) + "\n"
    assert "NaN" not in again.stdout
    assert "Infinity" not in again.stdout


def test_scenario_from_standard_input() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pdplan", "plan", "-", "--no-verify", "--json", "--brief"],
        input=BUILTIN,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["feasible"] is True


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(p.name, marks=pytest.mark.slow if p.name == "three-classes.yaml" else ())
        for p in sorted(SCENARIOS.glob("*.yaml"))
    ],
)
def test_every_scenario_plans_and_splits(capsys: pytest.CaptureFixture[str], name: str) -> None:
    path = str(SCENARIOS / name)
    code, out, _ = run(capsys, "plan", path, "--no-verify", "--json", "--brief")
    assert code == 0
    assert json.loads(out)["fleet"]["status"] == "met"
    code, out, _ = run(capsys, "split", path, "--no-verify", "--json")
    assert code == 0
    assert json.loads(out)["schema"] == "pdplan.split/1"


def test_scenarios_fit_the_published_schema() -> None:
    import yaml

    schema = json.loads((SCENARIOS.parent / "models" / "schema" / "scenario.schema.json").read_text())
    for path in SCENARIOS.glob("*.yaml"):
        text = path.read_text()
        assert text.startswith("# yaml-language-server: $schema=")
        jsonschema.validate(yaml.safe_load(text), schema)


def test_schema_command_prints_the_committed_schema(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "schema")
    committed = json.loads((SCENARIOS.parent / "models" / "schema" / "scenario.schema.json").read_text())
    assert code == 0
    assert json.loads(out) == committed, "run tools/make_schema.py"


def test_infeasible_names_constraint_and_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(
        capsys, "plan", "--no-verify", "--json", "--set", "classes.chat.slo.ttft={p99: 50 ms}"
    )
    assert code == 1
    document = json.loads(out)
    assert document["feasible"] is False
    assert document["nearest"][0]["nearest_s"] > 0.05
    assert "nearest feasible" in err
    nearest = document["nearest"][0]["nearest_s"]
    code, _, _ = run(
        capsys, "plan", "--no-verify", "--set", f"classes.chat.slo.ttft={{p99: {nearest * 1.02} s}}"
    )
    assert code == 0


def test_tpot_below_one_step_is_infeasible(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "plan", "--set", "classes.chat.slo.tpot={p95: 5 ms}")
    assert code == 1
    assert "tpot p95 <= 5 ms cannot be met" in err


WRONG = {
    "unknown model": ("model=lama-3.1-70b", "did you mean llama-3.1-70b"),
    "unknown accelerator": ("accelerator=h10", "built-in example:4: accelerator: unknown accelerator 'h10'"),
    "unknown link": ("link=ib-nd-400g", "did you mean ib-ndr-400g"),
    "unknown workload": ("classes.chat.workload=azure-con", "did you mean azure-conv"),
    "unknown profile": ("latency=distserve", "latency"),
    "unknown price": ("prices={h10: 1 USD/h}", "prices.h10"),
    "contradictory lengths": ("classes.chat={rate: 1 req/s}", "--set classes.chat"),
    "rate zero": ("classes.chat.rate=0 req/s", "greater than 0"),
    "no setting": ("classes.chat.rate", "write key=value"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_line_and_exit_2(capsys: pytest.CaptureFixture[str], case: str) -> None:
    setting, expected = WRONG[case]
    code, out, err = run(capsys, "plan", "--set", setting)
    lines = [line for line in err.splitlines() if "built-in example (pdplan plan" not in line]
    assert code == 2
    assert out == ""
    assert len(lines) == 1, lines
    assert lines[0].startswith("pdplan: ")
    assert expected in lines[0]


def test_lengths_that_contradict_each_other(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(
        BUILTIN.replace(
            "workload: azure-conv-2023", "prompt_tokens: {p50: 900, p99: 100}\n    output_tokens: 10"
        )
    )
    code, _, err = run(capsys, "plan", str(path))
    assert code == 2
    assert "x.yaml:9: class chat: prompt_tokens: p99 is 100 tok" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plna"], "no such command 'plna'. Did you mean 'plan'"),
        (["plan", "--nonsense"], "no such option: --nonsense"),
        (["plan", "/nowhere/at/all.yaml"], "/nowhere/at/all.yaml: no such file or directory"),
        (["plan", "--seed", "x"], "invalid value for '--seed': it must be a valid integer"),
        (["placement", "--nodes", "0"], "it must be greater than or equal to 1"),
        (["plan", "--set"], "option '--set' requires an argument"),
        (["profile", "check"], "missing argument"),
        (["simulate", "--requests", "1000", "--output", "/proc/nope/x.csv"], "/proc/nope cannot be made"),
        (["simulate", "--output", "/proc"], "its name must end in"),
        (["goodput", "--attainment", "x"], "--attainment is 'x', not a number"),
        (["observe", "--prometheus", "http://127.0.0.1:9", "--timeout", "0 s"], "--timeout is 0 s"),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else "",
)
def test_wrong_words_get_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, *words)
    talk = ("built-in example", "ompil")  # the first run on a machine says that it compiles
    lines = [line for line in err.splitlines() if not any(word in line for word in talk)]
    assert (code, out, len(lines)) == (2, "", 1)
    assert lines[0].startswith("pdplan: ")
    assert said in lines[0]


def test_no_command_is_a_call_for_help(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys)
    assert code == 2
    assert "Commands:" in out + err


def test_a_bug_is_exit_3_without_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.delenv("PDPLAN_DEBUG", raising=False)
    monkeypatch.setattr("pdplan.cli.plan.run", broken)
    code, _, err = run(capsys, "plan")
    assert code == 3
    assert "a bug in pdplan" in err
    assert "Traceback" not in err


def test_catalog_lists_and_shows(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "catalog", "ls")
    assert code == 0
    for name in (
        "llama-3.1-70b",
        "h100-sxm-80gb",
        "ib-ndr-400g",
        "azure-conv-2023",
        "distserve-opt-13b-a100",
    ):
        assert name in out
    code, out, _ = run(capsys, "catalog", "ls", "links", "--json")
    assert "ib-ndr-400g" in json.loads(out)["links"]
    code, out, _ = run(capsys, "catalog", "show", "meta-llama/Llama-3.1-70B-Instruct", "--json")
    assert json.loads(out)["kind"] == "models"
    assert run(capsys, "catalog", "show", "h10x")[0] == 2
    assert run(capsys, "catalog", "ls", "modles")[0] == 2


def test_split_check_exits_1_unless_all_split(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "split", "--check", "--json")
    assert code == (0 if json.loads(out)["split_all"] else 1)


def test_explain_lists_and_shows(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "explain")
    assert code == 0
    assert "link.transfer" in out
    code, out, _ = run(capsys, "explain", "link.transfer")
    assert code == 0
    assert "X = t_0 + b / r" in out
    assert "Hockney" in out
    assert run(capsys, "explain", "lnik")[0] == 2


def test_version_and_module(capsys: pytest.CaptureFixture[str]) -> None:
    from pdplan import __version__

    assert run(capsys, "--version")[1].strip() == f"pdplan {__version__}"
    env = {**os.environ, "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "pdplan", "--version"], capture_output=True, text=True, check=True, env=env
    )
    assert __version__ in done.stdout


def test_closed_pipe_is_quiet() -> None:
    done = subprocess.run(
        f"{sys.executable} -m pdplan plan --no-verify --json --brief | head -1",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "{"
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr

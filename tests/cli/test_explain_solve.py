"""`pdplan explain` and `pdplan solve` at the edge: forms, files, exit codes."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pdplan.cli.app import app, guarded


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    code = guarded(lambda: app(args=list(args), prog_name="pdplan", standalone_mode=False))
    seen = capsys.readouterr()
    return code, seen.out, seen.err


class Outside(HTMLParser):
    """Collects what a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for key, value in attrs:
            if key in ("src", "srcset") or (key == "href" and not (value or "").startswith("#")):
                self.fetched.append(value or "")


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "explain", "link", "--list", "--no-verify")
    assert code == 0
    assert all(line.startswith("link.") for line in out.splitlines())


@pytest.mark.slow
def test_latex_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "explain", "cost.per_hour", "--latex", "--no-verify")
    assert code == 0
    assert out.count(r"\begin{") == out.count(r"\end{")
    assert r"n_{P} \, c_{P} + n_{D} \, c_{D}" in out
    code, out, _ = run(capsys, "explain", "cost.per_hour", "--json", "--no-verify")
    shown = json.loads(out)["shown"][0]
    assert code == 0
    assert (shown["kind"], shown["name"]) == ("formula", "cost.per_hour")


@pytest.mark.slow
def test_page_is_whole_and_fetches_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    page = tmp_path / "working.html"
    code, out, _ = run(capsys, "explain", "--html", str(page), "--no-verify")
    assert code == 0
    assert "quantities" in out
    text = page.read_text()
    assert text.count("<section") == text.count("</section>") > 100
    parser = Outside()
    parser.feed(text)
    assert parser.fetched == []
    assert "<script" not in text
    assert list(tmp_path.iterdir()) == [page]


@pytest.mark.parametrize(
    "args",
    [
        ("explain", "ttft", "--json", "--latex"),
        ("explain", "ttft", "--html", "no/such/folder/x.html"),
        ("explain", "nothing", "--no-verify"),
        ("solve", "ttft.p99"),
        ("solve", "mean_ttft", "--for", "R"),
        ("solve", "mean_ttft", "--for", "R", "--equals", "1 s", "--given", "service_s"),
        ("solve", "mean_ttft", "scenario.yaml", "--for", "R", "--equals", "1 s"),
        ("solve", "ttft.p99", "--for", "rate", "--given", "D=1 s"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(capsys: pytest.CaptureFixture[str], args: tuple[str, ...]) -> None:
    code, out, err = run(capsys, *args)
    assert code == 2
    assert out == ""
    assert len([line for line in err.splitlines() if "no scenario given" not in line]) == 1


def test_solve_prints_and_answers_no(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("solve", "mean_ttft", "--for", "R", "--given", "D=200 ms", "--equals")
    code, out, _ = run(capsys, *asked, "600 ms")
    assert code == 0
    assert "R = 4 1/s" in out
    assert "check: mean_ttft at R = 4 1/s is 0.6 s" in out
    code, out, _ = run(capsys, *asked, "600 ms", "--json")
    document = json.loads(out)
    assert code == 0
    assert (document["schema"], document["value"]) == ("pdplan.solve/1", 4.0)
    code, _, err = run(capsys, *asked, "100 ms")
    assert code == 1
    assert "at least 0.2 s" in err
    code, out, _ = run(capsys, "solve")
    assert code == 0
    assert "mean_ttft_intra_op" in out

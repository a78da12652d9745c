"""The site builds with warnings as errors, and asks nothing of other hosts."""

from __future__ import annotations

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="the site needs the extra docs")
pytest.importorskip("material", reason="the site needs the extra docs")
pytest.importorskip("latex2mathml", reason="the site needs the extra docs")

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


class Fetched(HTMLParser):
    """What a browser fetches to show a page, and whether formulas were left as LaTeX."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []
        self.math = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.math += tag == "math"
        if tag in ("script", "img", "iframe", "source", "video", "audio") and found.get("src"):
            self.urls.append(str(found["src"]))
        if tag == "link" and found.get("rel") not in ("canonical", "prev", "next", "alternate"):
            self.urls.append(str(found.get("href")))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return out


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 50
    for page in pages:
        seen = Fetched()
        seen.feed(page.read_text())
        outside = [u for u in seen.urls if "//" in u.split("?")[0] and not u.startswith("data:")]
        assert outside == [], page
    for style in site.rglob("*.css"):
        text = style.read_text()
        assert "url(http" not in text
        assert "url(//" not in text


def test_formulas_are_mathml(site: Path) -> None:
    seen = Fetched()
    text = (site / "theory" / "decode" / "index.html").read_text()
    seen.feed(text)
    assert seen.math > 20
    for page in site.rglob("*.html"):
        body = page.read_text()
        assert "zzmath" not in body, page
        assert ".. math::" not in body, page
        assert ":math:`" not in body, page


def test_reference_has_every_command_and_public_name(site: Path) -> None:
    import pdplan
    from pdplan.cli.app import app

    cli = (site / "reference" / "cli" / "index.html").read_text()
    for command in app.registered_commands:
        assert f"pdplan {command.name}" in cli
    library = (site / "reference" / "pdplan" / "index.html").read_text()
    for name in pdplan.__all__:
        assert name.startswith("__") or name in library


def test_catalog_names_sources(site: Path) -> None:
    page = (site / "catalog" / "accelerators" / "index.html").read_text()
    assert "h100-sxm-80gb" in page
    assert page.count("checked 20") > 30

"""Hooks of the site: pages written from the code and from models/, formulas as MathML, the menu."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import docs_catalog
import docs_math
import docs_reference
from mkdocs.structure.files import File

_written: dict[str, str] = {}
_formulas: dict[str, dict[str, str]] = {}


def on_config(config: Any) -> Any:
    """Write the pages, and put them and every page of docs/validation into the menu."""
    _written.clear()
    _written.update(docs_reference.pages())
    _written.update(docs_catalog.pages())
    docs = Path(config["docs_dir"])
    named = set(_named(config["nav"]))
    below = {
        "*validation": [f"validation/{p.name}" for p in sorted((docs / "validation").glob("*.md"))],
        "*reference": [p for p in _written if p.startswith("reference/")],
        "*catalog": [p for p in _written if p.startswith("catalog/")],
    }
    kept = {p for pages in below.values() for p in pages} | named
    below["*guides"] = [
        p.relative_to(docs).as_posix()
        for p in sorted(docs.rglob("*.md"))
        if p.relative_to(docs).as_posix() not in kept
    ]
    config["nav"] = _filled(config["nav"], below)
    return config


def _named(nav: Any) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav
    return [p for part in parts for p in _named(part)]


def _filled(nav: Any, below: dict[str, list[str]]) -> Any:
    if isinstance(nav, dict):
        return {k: _filled(v, below) for k, v in nav.items()}
    if isinstance(nav, str):
        return nav
    out: list[Any] = []
    for part in nav:
        out += below[part] if isinstance(part, str) and part in below else [_filled(part, below)]
    return out


def on_files(files: Any, config: Any) -> Any:
    """Add the written pages."""
    for path, text in _written.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Take the formulas out before Markdown sees them."""
    text, _formulas[page.file.src_uri] = docs_math.stashed(markdown)
    return text


def on_page_content(html: str, page: Any, **_: Any) -> str:
    """Put them back as MathML."""
    return docs_math.restored(html, _formulas.get(page.file.src_uri, {}))

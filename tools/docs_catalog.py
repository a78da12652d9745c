"""Catalog pages written from models/: what each entry says, and where its numbers come from."""

from __future__ import annotations

from typing import Any

from pdplan.spec.catalog import catalog_document, catalog_names

TITLES = {
    "architectures": ("Models", "Dimensions of a model, as its config.json has them."),
    "accelerators": ("Accelerators", "Memory, peak rates, scale-up domain, and a dated example price."),
    "links": ("Links", "What carries KV from prefill to decode: one port, one direction."),
    "workloads": ("Workloads", "Laws of prompt and output lengths, from public traces."),
    "latency": ("Latency profiles", "Measured step times of one model on one accelerator."),
}
_COLUMNS = {
    "architectures": (
        "family",
        "weights_dtype",
        "shape.layers",
        "shape.hidden",
        "shape.heads",
        "shape.kv_heads",
    ),
    "accelerators": (
        "memory",
        "memory_bandwidth",
        "flops.bf16",
        "scale_up_bandwidth",
        "nic_bandwidth",
        "price.usd_per_hour",
    ),
    "links": ("kind", "bandwidth", "startup"),
    "workloads": ("requests", "about"),
    "latency": ("model", "accelerator", "engine"),
}


def pages() -> dict[str, str]:
    """Return the path and the Markdown of every page."""
    return {f"catalog/{kind}.md": _page(kind) for kind in TITLES}


def _page(kind: str) -> str:
    title, about = TITLES[kind]
    columns = _COLUMNS[kind]
    names = catalog_names(kind)
    documents = {name: catalog_document(kind, name) for name in names}
    head = [c.rpartition(".")[2].replace("_", " ") for c in columns]
    lines = [
        f"# {title}",
        "",
        f"{about} Written from `models/{kind}`; `pdplan catalog show NAME` prints an entry whole.",
        "",
        f"| name | {' | '.join(head)} |",
        f"| --- |{' --- |' * len(head)}",
    ]
    for name, d in documents.items():
        cells = [_cell(_at(d, c)) for c in columns]
        lines.append(f"| [{name}](#{_anchor(name)}) | {' | '.join(cells)} |")
    for name, d in documents.items():
        lines += ["", f"## {name} {{#{_anchor(name)}}}", ""]
        for key in ("what", "about", "notes"):
            for text in [d[key]] if isinstance(d.get(key), str) else d.get(key) or []:
                lines += [f"{_cell(text)}", ""]
        if d.get("aliases"):
            lines += [f"Also: {', '.join(f'`{a}`' for a in d['aliases'])}.", ""]
        lines += [_source(s) for s in _sources(d)]
    return "\n".join(lines) + "\n"


def _anchor(name: str) -> str:
    return "e-" + name.replace(".", "-").lower()


def _at(document: Any, path: str) -> Any:
    for step in path.split("."):
        document = document.get(step) if isinstance(document, dict) else None
    return document


def _cell(value: Any) -> str:
    return "" if value is None else " ".join(str(value).split()).replace("|", "\\|").replace("<", "&lt;")


def _sources(document: Any) -> list[dict[str, Any]]:
    found = list(document.get("sources") or [])
    price = document.get("price")
    return [*found, price] if isinstance(price, dict) and price.get("url") else found


def _source(s: dict[str, Any]) -> str:
    checked = f", checked {s['checked']}" if s.get("checked") else ""
    link = f"<{s['url']}>" if s.get("url") else ""
    return f"- {_cell(s.get('what'))}{checked}: {link}"

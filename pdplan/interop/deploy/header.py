"""The comment at the head of a manifest: what plan it comes from, what was checked, what to edit."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from pdplan._version import __version__
from pdplan.interop.deploy.placement import Placement
from pdplan.interop.deploy.record import Deployment

_WIDTH = 100


def header(
    deployment: Deployment,
    placement: Placement,
    *,
    what: str,
    against: Sequence[str],
    edit: Iterable[str],
    notes: Iterable[str],
) -> list[str]:
    """Return the lines, without the comment sign; deterministic: no date, no machine.

    Parameters
    ----------
    what : str
        What the manifest is.
    against : sequence of str
        Documents, with version or commit, that its fields were checked against.
    edit : iterable of str
        What a person must look at before applying it.
    notes : iterable of str
        What differs from the plan, or must be known.
    """
    lines = [
        *_told(f"{plain(deployment.title)}: {what}", hang=2),
        f"Written by pdplan {__version__} from its plan; write it again when the plan changes.",
        "",
        *_told(f"Fleet: {deployment.label}: {deployment.gpus} GPUs", hang=7),
        *_nodes(deployment, placement),
    ]
    if deployment.wire is not None:
        wire = deployment.wire
        lines.append(
            f"       KV over {wire.name}: {wire.bytes_per_s / 1e9:g} GB/s an instance, one direction"
        )
    rooms = [
        f"{pool.role} {pool.kv_capacity_tokens:,}"
        for pool in deployment.pools
        if pool.kv_capacity_tokens is not None
    ]
    if rooms:
        lines += _told(
            f"       tokens of KV an instance, as planned: {', '.join(rooms)}; the engine prints its own at "
            "start",
            hang=7,
        )
    for served in deployment.served:
        lines += _told(
            f"Serves: {served.name}: {served.rate:g} req/s, mean {served.prompt_tokens:.0f} prompt and "
            f"{served.output_tokens:.0f} output tokens"
        )
        for objective in served.objectives:
            lines += _told(f"        {objective}", hang=10)
    lines += _told(f"Simulation of the plan: {plain(deployment.checked)}")
    lines += ["", "Checked against (later versions may differ):"]
    for source in against:
        lines += _told(f"- {source}", hang=2)
    lines += ["", "Edit before use:"]
    for item in edit:
        lines += _told(f"- {item}", hang=2)
    said = [*deployment.notes, *notes]
    if said:
        lines += ["", "Notes:"]
        for note in said:
            lines += _told(f"- {plain(note)}", hang=2)
    return lines


def plain(text: str) -> str:
    """Make one printable line of any text.

    Examples
    --------
    >>> plain("two\\nlines\\x07")
    'two lines'
    """
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _told(text: str, *, hang: int = 4) -> list[str]:
    lead = len(text) - len(text.lstrip())
    return textwrap.wrap(
        text.strip(),
        _WIDTH - 2,
        initial_indent=" " * lead,
        subsequent_indent=" " * max(lead, hang),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _nodes(deployment: Deployment, placement: Placement) -> Iterator[str]:
    """Say how many nodes of each kind, e.g. ``2 nodes of 8 h100-sxm-80gb``."""
    sizes = {p.accelerator: p.node_gpus for p in deployment.pools}
    for accelerator, gpus in sizes.items():
        count = placement.node_accelerators.count(accelerator)
        nodes = "1 node" if count == 1 else f"{count:,} nodes"
        yield f"       {nodes} of {gpus} {accelerator}"

"""`pdplan predict`."""

from __future__ import annotations

from pdplan.cli.compiling import announce_compiling
from pdplan.cli.output import load, no_as_json, print_json, width
from pdplan.errors import InputError
from pdplan.planner.predict_report import predict
from pdplan.planner.predict_text import prediction_text


def run(
    source: str | None,
    *,
    as_json: bool,
    overrides: tuple[str, ...],
    concurrency: str | None,
    output_factor: float,
    colocated: bool,
    simulate: bool,
    requests: int | None,
    seed: int,
) -> None:
    """Predict by formula and by simulation, and print both."""
    users = None if concurrency is None else read_concurrency(concurrency)
    scenario = load(source, overrides)
    if simulate:
        announce_compiling()
    with no_as_json("predict", as_json=as_json):
        result = predict(
            scenario,
            concurrency=users,
            colocated=colocated,
            output_factor=output_factor,
            simulate=simulate,
            requests=requests,
            seed=seed,
        )
    if as_json:
        print_json(result.document())
    else:
        print(prediction_text(result, width=width()))


def read_concurrency(text: str) -> tuple[int, ...]:
    """Read ``64`` or ``1,4,16,64``.

    Examples
    --------
    >>> read_concurrency("1, 4,16")
    (1, 4, 16)
    """
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InputError(
            f"--concurrency is {text!r}: give whole numbers of requests in flight, such as 64 or 1,4,16,64"
        ) from None

"""`latentopt fit-head`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from latentopt.cli import app, common, options
from latentopt.errors import LatentoptError, unknown

if TYPE_CHECKING:
    import numpy as np

    from latentopt.codec import Codec
    from latentopt.heads.fitted import FittedHead

TAKEN = {
    "log1p": "counts, of which the logarithm is learned",
    "rate": "counts, which are divided by {}",
    "none": "learned as it stands",
}
"""What is said of the transform that was chosen."""


@app.command()
def fit_head(
    in_file: Annotated[Path, typer.Option("--in", help="A table with texts and a number each.")],
    target: Annotated[str, typer.Option(help="The column with the number, or the class.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The head's folder.")],
    text_column: options.TextColumn = "text",
    encoding: options.Encoding = None,
    group_column: Annotated[
        str | None, typer.Option(help="Compare only within these groups (one A/B test, say).")
    ] = None,
    head: Annotated[
        str, typer.Option(help="The head's kind: ridge, logistic, mlp_ensemble, ..., or auto for the best of several.")
    ] = "ridge",
    transform: Annotated[
        str,
        typer.Option(
            help="What is done to the target first: log1p for counts, rate for counts per weight, rank, none, or auto."
        ),
    ] = "auto",
    weight_column: Annotated[
        str | None, typer.Option(help="How much each row counts, such as its impressions.")
    ] = None,
    time_column: Annotated[
        str | None, typer.Option(help="When each text was posted: the head is also tried on the latest fifth.")
    ] = None,
    reencodings: Annotated[
        int, typer.Option(min=0, help="Extra training rows per text: nearby latents, decoded and re-encoded.")
    ] = 0,
    learning_curve: Annotated[bool, typer.Option(help="Also tell whether more data would help.")] = False,
    model: options.Model = "english-small",
    settings: options.Settings = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
) -> None:
    """Learn to predict a number from texts, report the held-out score and save the head."""
    import numpy as np

    from latentopt.artefact import check_place, save_artefact
    from latentopt.files import column, number_column, read_table
    from latentopt.files import text_column as texts_of
    from latentopt.files import time_column as times_of
    from latentopt.heads.fitting import fit_head as run
    from latentopt.heads.fitting import learns_classes
    from latentopt.heads.learning_curve import learning_curve as curve_of
    from latentopt.heads.learning_curve import reading
    from latentopt.heads.targets import TRANSFORMS, checked_weights, transform_for
    from latentopt.reading import unreadable
    from latentopt.spec import parse_assignments

    check_place(out, "head")
    if transform not in ("auto", *TRANSFORMS):
        raise unknown("transform", transform, ["auto", *TRANSFORMS])
    table = read_table(in_file, encoding)
    texts = texts_of(table, text_column, in_file)
    options = parse_assignments(settings or [])
    labels = column(table, target, in_file)
    y = labels.mask(labels.map(unreadable).to_numpy(dtype=bool)).infer_objects().to_numpy()
    if not learns_classes(head, options, y):
        y = number_column(table, target, in_file)
    groups = column(table, group_column, in_file).to_numpy() if group_column else None
    weights = number_column(table, weight_column, in_file) if weight_column else None
    codec = common.load(model, device, "auto")
    times = times_of(table, time_column, in_file) if time_column else None
    needed = {target: y, weight_column or "": weights, time_column or " ": times}
    rows = np.asarray(common.keep_fitting(codec, texts, needed=needed), dtype=np.int64)
    if weights is not None:
        weights = checked_weights(np.nan_to_num(weights, nan=1.0), len(table))
    data = ([texts[row] for row in rows], y[rows], groups[rows] if groups is not None else None)
    weights = weights[rows] if weights is not None else None
    _check_varies(data[1], target, in_file)
    if transform == "auto":
        numbers = np.issubdtype(data[1].dtype, np.number) and not learns_classes(head, options, data[1])
        transform = transform_for(data[1], weights) if numbers else "none"
        if numbers:
            common.note(f"the target {target!r}: {TAKEN[transform].format(weight_column)} (--transform {transform})")
    how: dict[str, Any] = {"seed": seed, "weights": weights, "transform": transform, "reencodings": reencodings}
    fitted = run(codec, *data, head, options, **how)
    if times is not None and time_column:
        since = column(table, time_column, in_file).iloc[rows].tolist()
        _try_later(fitted, codec, data, times[rows], since, options, how)
    save_artefact(out, "head", fitted.module, codec, fitted.card | {"data": in_file.name, "target": target})
    _tell(fitted, len(rows), group_column)
    common.note(f"wrote the head to {out}")
    if learning_curve:
        try:
            curve = curve_of(codec, *data, fitted.card["head"], options, **how)
        except LatentoptError as error:  # the head itself is fitted and saved
            common.note(f"no learning curve: {error}")
        else:
            common.show(curve, None)
            common.note(reading(curve))


def _check_varies(y: np.ndarray, target: str, path: Path) -> None:
    """Refuse a target that says nothing.

    Raises:
        LatentoptError: when all rows have one value.
    """
    if len(y) and len(set(y.tolist())) < 2:
        raise LatentoptError(
            f"{path}: {target!r} is {y[0]} in every row, so there is nothing to learn; name another column with --target"
        )


def _try_later(
    fitted: FittedHead,
    codec: Codec,
    data: tuple[Any, ...],
    times: np.ndarray,
    written: list[Any],
    settings: dict[str, Any],
    how: dict[str, Any],
) -> None:
    """Put into a head's card what the like of it makes of later texts.

    Args:
        written: the times as the table holds them.
    """
    from latentopt.heads.back_testing import back_test

    texts, y, groups = data
    try:
        found = back_test(codec, texts, y, times, groups, fitted.card["head"], settings, **how)
    except LatentoptError as error:  # the head itself is fitted
        common.note(f"no back-test: {error}")
    else:
        fitted.card["back_test"] = found.card(str(written[found.first]))


def _tell(fitted: FittedHead, texts: int, group_column: str | None) -> None:
    """Say how good a head is on texts that it has not seen, and what there is to know of it."""
    from latentopt.corpus.split import repeating
    from latentopt.heads.back_testing import told

    low, high = fitted.interval
    within = f" within {group_column}" if group_column else ""
    common.note(
        f"held-out rank correlation{within} on {texts} texts: {fitted.score:.3f} (95 % interval {low:.3f} to {high:.3f})"
    )
    if low <= 0:
        common.note("warning: on texts it has not seen, this head predicts no better than chance")
    if "back_test" in fitted.card:
        trusted, sentence = told(fitted.card["back_test"])
        common.note(sentence if trusted else f"warning: {sentence[0].lower()}{sentence[1:]}")
    if fitted.card["repeated_texts"]:
        common.note(repeating(fitted.card["repeated_texts"], texts))
    for candidate in fitted.card.get("candidates", []):
        common.note(f"  {candidate['head']}: {candidate['held_out_rank_correlation']:.3f}")
    if "note" in fitted.card:
        common.note(fitted.card["note"])
    if "calibration" in fitted.card:
        figures = fitted.card["calibration"]
        common.note(
            f"calibrated: expected calibration error {figures['expected_calibration_error']:.3f}, "
            f"before {figures['expected_calibration_error_before']:.3f}"
        )

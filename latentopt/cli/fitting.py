"""Commands that learn: train, fit-head, fit-direction."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from latentopt.cli import app, common
from latentopt.errors import LatentoptError

FEW = 10
"""Held-out texts that are too few to say much of a direction."""


@app.command()
def train(
    out: Annotated[Path, typer.Option("--out", "-o", help="The model's folder.")],
    text: Annotated[list[Path] | None, typer.Option(help="A text file, one text a line; may be given again.")] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(help="Instead: a table of pairs; of the source the decoder learns to write the target."),
    ] = None,
    size: Annotated[str, typer.Option(help="micro, nano, small or base.")] = "nano",
    start: Annotated[
        str | None,
        typer.Option(help="A T5 or T5-VAE folder to start from; of a T5-VAE, --pairs keeps shape and latents."),
    ] = None,
    freeze_latents: Annotated[
        bool, typer.Option("--freeze-latents", help="Keep the latents of the T5-VAE to start from; train the decoder.")
    ] = False,
    latent_dim: Annotated[int, typer.Option(min=1, help="Dimensions of z.")] = 128,
    vocab_size: Annotated[int, typer.Option(min=260, help="Of the tokenizer trained on the text.")] = 8192,
    max_tokens: Annotated[int, typer.Option(min=4, help="Longer texts are skipped.")] = 32,
    balance_brackets: Annotated[
        bool, typer.Option("--balance-brackets", help="For code: brackets and quotation marks close themselves.")
    ] = False,
    epochs: Annotated[float, typer.Option(min=0.0, help="Passes over the data, unless --steps is given.")] = 10.0,
    steps: Annotated[int, typer.Option(min=0, help="Optimiser steps.")] = 0,
    batch_size: Annotated[int, typer.Option(min=2, help="Texts a step, over all processes.")] = 128,
    accumulation: Annotated[int, typer.Option(min=1, help="Take a batch in so many pieces, for want of memory.")] = 1,
    learning_rate: Annotated[float, typer.Option()] = 1e-3,
    bottleneck: Annotated[
        str, typer.Option(help="positional, attention, or fixed_length as in the first T5-VAE.")
    ] = "positional",
    place_spacing: Annotated[float, typer.Option(min=1.0, help="Positions between two places of z.")] = 1.0,
    regulariser: Annotated[str, typer.Option(help="mmd, mmd_original, kl, adversarial or none.")] = "mmd",
    regulariser_weight: Annotated[float, typer.Option(min=0.0, help="Its weight in the loss.")] = 1.0,
    covariance_weight: Annotated[float, typer.Option(min=0.0, help="Pull of z's covariance to the identity.")] = 0.01,
    kl_annealing: Annotated[int, typer.Option(min=0, help="Steps over which the weight of kl grows.")] = 0,
    free_bits: Annotated[float, typer.Option(min=0.0, help="Nats per dimension that kl does not count.")] = 0.0,
    decoder_dropout: Annotated[float, typer.Option(min=0.0, max=1.0, help="Decoder inputs hidden in training.")] = 0.0,
    scheduled_sampling: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Decoder inputs replaced by its own choices in training.")
    ] = 0.0,
    distillation: Annotated[
        float, typer.Option(min=0.0, help="Weight of learning what it writes of random latents, made valid.")
    ] = 0.0,
    noise: Annotated[float, typer.Option(min=0.0, help="Most noise added to z.")] = 0.3,
    mixing: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of latents moved towards another or a draw.")
    ] = 0.0,
    jitter: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of texts with tokens put a place off.")] = 0.0,
    deletion: Annotated[float, typer.Option(min=0.0, max=1.0, help="Most of the encoder's tokens deleted.")] = 0.0,
    held_out: Annotated[float, typer.Option(min=0.0, max=0.9, help="Share kept for evaluation, by hash.")] = 0.02,
    filter: Annotated[str | None, typer.Option(help="What is valid; its share of reconstructions is reported.")] = None,
    constraint: Annotated[
        str | None,
        typer.Option(help="For --distillation: NAME or NAME=VALUE, such as python_line; it makes texts valid."),
    ] = None,
    evaluate_every: Annotated[int, typer.Option(min=1, help="Steps between evaluations and new lessons.")] = 1000,
    seed: common.Seed = 0,
    device: common.Device = "auto",
) -> None:
    """Train a T5-VAE on lines of text, or on pairs; the same command goes on where it was cut off."""
    if bool(text) == (pairs is not None):
        raise LatentoptError("give --text FILE or --pairs FILE, one of the two")
    if constraint and not distillation:
        raise LatentoptError("a --constraint has a use in training with --distillation only")
    accepts = common.build_all("filter", [filter] if filter else None)
    from latentopt.directions.pairs import read_pairs
    from latentopt.t5vae.corpus import Lines
    from latentopt.t5vae.settings import Settings
    from latentopt.t5vae.trainer import last_complete_checkpoint
    from latentopt.t5vae.training import train as run

    settings = Settings(
        size=size,
        start=start,
        latent_dim=latent_dim,
        vocab_size=vocab_size,
        max_tokens=max_tokens,
        balance_brackets=balance_brackets,
        bottleneck=bottleneck,
        place_spacing=place_spacing,
        regulariser=regulariser,
        regulariser_weight=regulariser_weight,
        covariance_weight=covariance_weight,
        kl_annealing=kl_annealing,
        free_bits=free_bits,
        decoder_dropout=decoder_dropout,
        scheduled_sampling=scheduled_sampling,
        distillation=distillation,
        freeze_latents=freeze_latents,
        noise=noise,
        mixing=mixing,
        jitter=jitter,
        deletion=deletion,
        steps=steps,
        epochs=epochs,
        batch_size=batch_size,
        accumulation=accumulation,
        learning_rate=learning_rate,
        held_out=held_out,
        evaluate_every=evaluate_every,
        seed=seed,
        device=device,
    )
    texts: Sequence[str]
    texts, targets = (Lines(text or []), None) if pairs is None else read_pairs(pairs)
    validity, made = next(iter(accepts.values()), None), partial(common.constraint_of, constraint)
    try:
        run(texts, out, settings, validity, targets, made if constraint else None)
    except KeyboardInterrupt:
        kept = last_complete_checkpoint(out / "checkpoints")
        from_there = (
            f"goes on from {kept}" if kept else "begins again, as there was no checkpoint yet (--evaluate-every)"
        )
        raise KeyboardInterrupt(f"the same command {from_there}") from None
    logging.getLogger("latentopt").info("wrote the model to %s", out)


@app.command()
def fit_head(
    in_file: Annotated[Path, typer.Option("--in", help="A table with texts and a number each.")],
    target: Annotated[str, typer.Option(help="The column with the number, or the class.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The head's folder.")],
    text_column: common.TextColumn = "text",
    group_column: Annotated[
        str | None, typer.Option(help="Compare only within these groups (one A/B test, say).")
    ] = None,
    head: Annotated[
        str, typer.Option(help="The head's kind: ridge, logistic, mlp_ensemble, ..., or auto for the best of several.")
    ] = "ridge",
    transform: Annotated[
        str, typer.Option(help="Of the target: log1p for counts, rate for counts per weight, rank, or none.")
    ] = "none",
    weight_column: Annotated[
        str | None, typer.Option(help="How much each row counts, such as its impressions.")
    ] = None,
    reencodings: Annotated[int, typer.Option(min=0, help="Neighbours a text, decoded and encoded again.")] = 0,
    learning_curve: Annotated[bool, typer.Option(help="Also tell whether more data would help.")] = False,
    model: common.Model = "english-small",
    settings: common.Settings = None,
    seed: common.Seed = 0,
    device: common.Device = "auto",
) -> None:
    """Learn to predict a number from texts, report the held-out score and save the head."""
    import numpy as np

    from latentopt.artefact import check_place, save_artefact
    from latentopt.files import column, number_column, read_table
    from latentopt.files import text_column as texts_of
    from latentopt.heads.head import fit_head as run
    from latentopt.heads.head import learns_classes
    from latentopt.heads.learning_curve import learning_curve as curve_of
    from latentopt.heads.learning_curve import reading
    from latentopt.heads.targets import checked_weights
    from latentopt.spec import parse_assignments

    check_place(out, "head")
    table = read_table(in_file)
    texts = texts_of(table, text_column, in_file)
    options = parse_assignments(settings or [])
    y = column(table, target, in_file).to_numpy()
    if not learns_classes(head, options, y):
        y = number_column(table, target, in_file)
    groups = column(table, group_column, in_file).to_numpy() if group_column else None
    weights = checked_weights(number_column(table, weight_column, in_file), len(table)) if weight_column else None
    codec = common.load(model, device, "auto")
    rows = np.array(common.keep_fitting(codec, texts), dtype=int)
    data = ([texts[row] for row in rows], y[rows], groups[rows] if groups is not None else None)
    how: dict[str, Any] = {
        "seed": seed,
        "weights": weights[rows] if weights is not None else None,
        "transform": transform,
        "reencodings": reencodings,
    }
    fitted = run(codec, *data, head, options, **how)
    save_artefact(out, "head", fitted.module, codec, fitted.card | {"data": in_file.name, "target": target})
    low, high = fitted.interval
    within = f" within {group_column}" if group_column else ""
    common.note(
        f"held-out rank correlation{within} on {len(rows)} texts: {fitted.score:.3f} (95 % interval {low:.3f} to {high:.3f})"
    )
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
    if low <= 0:
        common.note("warning: on texts it has not seen, this head predicts no better than chance")
    common.note(f"wrote the head to {out}")
    if learning_curve:
        try:
            curve = curve_of(codec, *data, fitted.card["head"], options, **how)
        except LatentoptError as error:  # the head itself is fitted and saved
            common.note(f"no learning curve: {error}")
        else:
            common.show(curve, None)
            common.note(reading(curve))


@app.command()
def fit_direction(
    out: Annotated[Path, typer.Option("--out", "-o", help="The direction's folder.")],
    pairs: Annotated[Path | None, typer.Option(help="A table of pairs.")] = None,
    source_column: Annotated[str, typer.Option(help="Of the pairs.")] = "source",
    target_column: Annotated[str, typer.Option(help="Of the pairs.")] = "target",
    from_file: Annotated[Path | None, typer.Option("--from", help="Unpaired: texts without the attribute.")] = None,
    to_file: Annotated[Path | None, typer.Option("--to", help="Unpaired: texts with the attribute.")] = None,
    text_column: common.TextColumn = "text",
    match: Annotated[
        bool, typer.Option("--match", help="Make pairs of --from and --to, by texts that say nearly the same.")
    ] = False,
    finder: Annotated[str | None, typer.Option(help="The direction finder; mean_difference unless told.")] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Cross-validate all finders, show their scores and take the best.")
    ] = False,
    strength: Annotated[float | None, typer.Option(help="Fix the default strength instead of choosing it.")] = None,
    model: common.Model = "english-small",
    settings: common.Settings = None,
    seed: common.Seed = 0,
    device: common.Device = "auto",
) -> None:
    """Find the direction that turns sources into targets, report the held-out score and save it."""
    from latentopt.artefact import check_place, save_artefact
    from latentopt.directions.comparison import Comparison, reading
    from latentopt.directions.edits import spread_edits
    from latentopt.directions.finding import fit_direction as run
    from latentopt.directions.matching import match_texts
    from latentopt.directions.pairs import read_pairs, reversed_rows
    from latentopt.directions.strength import STRENGTHS
    from latentopt.files import read_table
    from latentopt.files import text_column as texts_of
    from latentopt.spec import parse_assignments

    check_place(out, "direction")
    if (pairs is None) == (from_file is None or to_file is None):
        raise LatentoptError("give --pairs FILE, or --from FILE and --to FILE")
    if match and pairs is not None:
        raise LatentoptError("--match makes pairs of --from and --to: leave it out where --pairs gives them")
    if compare and (settings or finder):
        raise LatentoptError("--compare tries every finder: leave out --finder and --set, or leave it out itself")
    if pairs is not None:
        sources, targets = read_pairs(pairs, source_column, target_column)
        data = pairs.name
        turned = reversed_rows(sources, targets)
        if turned:
            named = ", ".join(str(row + 1) for row in turned[:FEW]) + (", ..." if len(turned) > FEW else "")
            common.note(f"warning: {len(turned)} of {len(sources)} pairs look the wrong way round: rows {named}")
    else:
        assert from_file is not None
        assert to_file is not None
        sources = texts_of(read_table(from_file), text_column, from_file)
        targets = texts_of(read_table(to_file), text_column, to_file)
        data = f"{from_file.name}, {to_file.name}"
    codec = common.load(model, device, "auto")
    if pairs is not None:
        rows = common.keep_fitting(codec, sources, targets)
        sources, targets = [sources[row] for row in rows], [targets[row] for row in rows]
    else:
        sources = [sources[row] for row in common.keep_fitting(codec, sources)]
        targets = [targets[row] for row in common.keep_fitting(codec, targets)]
    made: dict[str, int] = {}
    if match:
        matched = match_texts(sources, targets)
        if len(matched[0]) < 2:
            raise LatentoptError(f"{data}: hardly any text of one is like one of the other; leave out --match")
        common.note(f"matched {len(matched[0])} pairs, such as {matched[0][0]!r} and {matched[1][0]!r}")
        known = set(zip(*matched, strict=True))
        more = spread_edits(matched, sources, targets, seed=seed, fits=codec.fits)
        added = [pair for pair in zip(*more, strict=True) if pair not in known]
        if added:
            common.note(f"did what they differ in to {len(added)} other texts: {added[0][0]!r} and {added[0][1]!r}")
        made = {"matched_pairs": len(known), "made_pairs": len(added)}
        sources, targets = [*matched[0], *(pair[0] for pair in added)], [*matched[1], *(pair[1] for pair in added)]
    paired = pairs is not None or match
    strengths = STRENGTHS if strength is None else (strength,)
    options = parse_assignments(settings or [])
    finder, compared = finder or "mean_difference", {}
    if compare:
        comparison = Comparison(codec, sources, targets, paired, seed=seed)
        table = comparison.table()
        finder = str(table["finder"].iloc[0])
        common.show(table, None)
        curve = comparison.learning_curve(finder)
        common.note(f"{curve.to_string(index=False)}\n{finder} is the best; {reading(curve)}")
        compared = {"compared": table.to_dict("records"), "learning_curve": curve.to_dict("records")}
    fitted = run(codec, sources, targets, paired, finder, options, strengths, seed)
    card = fitted.card | compared | {"data": data, "matched": match} | made
    save_artefact(out, "direction", fitted.direction, codec, card)
    score = fitted.card["held_out_score_by_strength"][str(fitted.strength)]
    held_out, measure = fitted.card["held_out"], fitted.card["measure"]
    common.note(f"held-out {measure}: {score:.3f} of {held_out} at strength {fitted.strength:g}")
    if "held_out_score" in fitted.card.get("line", {}):
        common.note(f"with a strength for each text: {fitted.card['line']['held_out_score']:.3f}")
    if fitted.card["identical_pairs_left_out"]:
        common.note(f"left out {fitted.card['identical_pairs_left_out']} pairs of twice the same text")
    if held_out < FEW:
        common.note(f"warning: {held_out} held-out texts say little; fit it on more to know how good it is")
    elif score == 0:
        common.note("warning: on texts it has not seen, this direction reaches no target")
    common.note(f"wrote the direction to {out}")

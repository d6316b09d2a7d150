"""`latentopt fit-direction`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentopt.cli import app, common, options
from latentopt.errors import LatentoptError

if TYPE_CHECKING:
    from latentopt.codec import Codec
    from latentopt.directions.fitted import FittedDirection

FEW = 10


@app.command()
def fit_direction(
    out: Annotated[Path, typer.Option("--out", "-o", help="The direction's folder.")],
    pairs: Annotated[Path | None, typer.Option(help="A table of pairs.")] = None,
    source_column: Annotated[str, typer.Option(help="Of the pairs.")] = "source",
    target_column: Annotated[str, typer.Option(help="Of the pairs.")] = "target",
    from_file: Annotated[Path | None, typer.Option("--from", help="Unpaired: texts without the attribute.")] = None,
    to_file: Annotated[Path | None, typer.Option("--to", help="Unpaired: texts with the attribute.")] = None,
    text_column: options.TextColumn = "text",
    encoding: options.Encoding = None,
    match: Annotated[
        bool, typer.Option("--match", help="Make pairs of --from and --to, by texts that say nearly the same.")
    ] = False,
    finder: Annotated[str | None, typer.Option(help="The direction finder; mean_difference unless given.")] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Cross-validate all finders, show their scores and take the best.")
    ] = False,
    strength: Annotated[float | None, typer.Option(help="Fix the default strength instead of choosing it.")] = None,
    model: options.Model = "english-small",
    settings: options.Settings = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
) -> None:
    """Find the direction that turns sources into targets, report the held-out score and save it."""
    from latentopt.artefact import check_place, save_artefact
    from latentopt.directions.comparison import Comparison, reading
    from latentopt.directions.fitting import fit_direction as run
    from latentopt.directions.strength import STRENGTHS
    from latentopt.files import read_table
    from latentopt.files import text_column as texts_of
    from latentopt.pairs.words import read_pairs, reversed_rows
    from latentopt.spec import parse_assignments

    check_place(out, "direction")
    if (pairs is None) == (from_file is None or to_file is None):
        raise LatentoptError("give --pairs FILE, or --from FILE and --to FILE")
    if match and pairs is not None:
        raise LatentoptError("--match makes pairs of --from and --to: leave it out where --pairs gives them")
    if compare and (settings or finder):
        raise LatentoptError("--compare tries every finder: leave out --finder and --set, or leave it out itself")
    if pairs is not None:
        sources, targets = read_pairs(pairs, source_column, target_column, encoding)
        data = pairs.name
        turned = reversed_rows(sources, targets)
        if turned:
            named = ", ".join(str(row + 1) for row in turned[:FEW]) + (", ..." if len(turned) > FEW else "")
            common.note(f"warning: {len(turned)} of {len(sources)} pairs look the wrong way round: rows {named}")
    else:
        assert from_file is not None
        assert to_file is not None
        sources = texts_of(read_table(from_file, encoding), text_column, from_file)
        targets = texts_of(read_table(to_file, encoding), text_column, to_file)
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
        sources, targets, made = _matched(sources, targets, data, codec, seed)
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
    _tell(fitted, paired)
    common.note(f"wrote the direction to {out}")


def _matched(
    sources: list[str], targets: list[str], data: str, codec: Codec, seed: int
) -> tuple[list[str], list[str], dict[str, int]]:
    """Pairs of two sets, by texts that say nearly the same and by what these differ in, and how many there are of each."""
    from latentopt.pairs.edits import spread_edits
    from latentopt.pairs.matching import match_texts

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
    return [*matched[0], *(pair[0] for pair in added)], [*matched[1], *(pair[1] for pair in added)], made


def _tell(fitted: FittedDirection, paired: bool) -> None:
    """Say how good a direction is on texts that it has not seen, and what was left out."""
    from latentopt.corpus.split import repeating

    card = fitted.card
    score = card["held_out_score_by_strength"][str(fitted.strength)]
    held_out, measure = card["held_out"], card["measure"]
    common.note(f"held-out {measure}: {score:.3f} of {held_out} at strength {fitted.strength:g}")
    if "held_out_score" in card.get("line", {}):
        common.note(f"with a strength for each text: {card['line']['held_out_score']:.3f}")
    if card["repeated"]:
        common.note(repeating(card["repeated"], card["sources"] + (0 if paired else card["targets"])))
    if card["identical_pairs_left_out"]:
        common.note(f"left out {card['identical_pairs_left_out']} pairs of twice the same text")
    if held_out < FEW:
        common.note(f"warning: {held_out} held-out texts say little; fit it on more to know how good it is")
    elif score == 0:
        common.note("warning: on texts it has not seen, this direction reaches no target")
    elif not card.get("told_apart", {}).get("better", True):
        common.note("warning: on texts it has not seen, this direction tells the two sides apart no better than chance")

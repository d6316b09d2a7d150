"""An objective by the names of its parts: each is declared once, for Python and for the command line."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from latentopt.declared import check_declared, declared
from latentopt.errors import MISBEHAVIOUR, LatentoptError

if TYPE_CHECKING:
    import numpy as np

    from latentopt.codec import Codec
    from latentopt.filters import Metric
    from latentopt.search.objective import HeadTerm, Objective, Probe


@dataclass
class Goals:
    """What an objective is made of, by the names of what is fitted or registered.

    Attributes:
        head, direction: NAME or NAME=WEIGHT.
        score: FILE.py:FUNCTION or the name of a judge, or either with =WEIGHT. More of it is better; of a judge, what it calls
            better.
        reach: NAME=VALUE of one of these, in the units of its number: of a head that learned the logarithm of a count, a count.
        hold: NAME or NAME=TOLERANCE of a head or direction.
        caution: of every head, as in `latentopt.search.objective.HeadTerm`.
        near, prior: the weights of `latentopt.search.objective.Near` and `latentopt.search.objective.Prior`.

    Raises:
        LatentoptError: when nothing is to be improved, or a number is none.
    """

    head: Sequence[str] = declared((), "A head, NAME or NAME=WEIGHT; below 0 minimises.")
    direction: Sequence[str] = declared((), "Climb a direction, NAME or NAME=WEIGHT.")
    score: Sequence[str] = declared(
        (), "Any function of one text, FILE.py:FUNCTION, or a judge; or either with =WEIGHT."
    )
    reach: Sequence[str] = declared((), "NAME=VALUE: reach this value instead, such as likes=20.")
    hold: Sequence[str] = declared((), "A head or direction that should stay, NAME or NAME=TOLERANCE.")
    caution: float = declared(
        0.0, "Subtract this many standard deviations of the head's uncertainty (cautious search).", 0
    )
    near: float = declared(0.0, "Weight in the score of staying near the draft.", -math.inf)
    prior: float = declared(0.0, "Weight in the score of lying where real texts lie.", -math.inf)

    def __post_init__(self) -> None:
        check_declared(self)
        if not (self.head or self.direction or self.score):
            raise LatentoptError("name what to improve: --head NAME, --direction NAME or --score FILE.py:FUNCTION")

    def objective(self, codec: Codec) -> Objective:
        """The objective for the texts of a codec.

        Raises:
            LatentoptError: when a name is unknown or stands for two terms, or a term cannot be what is asked of it.
        """
        from latentopt.search.objective import Held, Near, Objective, Prior, Term, TextTerm
        from latentopt.spec import parse_weighted

        reach = dict(parse_weighted(item) for item in self.reach)
        terms: dict[str, Term | TextTerm] = {}
        weights: dict[str, float] = {}

        def add(name: str, term: Term | TextTerm, weight: float) -> None:
            if name in terms:
                raise LatentoptError(f"two terms of the objective are named {name!r}; name each once, or copy one")
            terms[name], weights[name] = term, weight

        for kind, items in (("head", self.head), ("direction", self.direction)):
            for item in items:
                ref, weight = parse_weighted(item)
                name = Path(ref).name
                add(name, _term(codec, ref, (kind,), self.caution, reach.pop(name, None)), weight)
        for item in self.score:
            ref, weight = parse_weighted(item)
            name = ref.rpartition(":")[2]
            measure, sign = _measure(ref)
            add(name, TextTerm(measure, reach=reach.pop(name, None)), sign * weight)
        for name, term, weight in (("near", Near(), self.near), ("prior", Prior(), self.prior)):
            if weight:
                add(name, term, weight)
        if reach:
            raise LatentoptError(f"--reach {next(iter(reach))} names no head, direction or score of this objective")
        held = {}
        for item in self.hold:
            ref, tolerance = parse_weighted(item) if "=" in item else (item, Held.tolerance)
            if tolerance < 0:
                raise LatentoptError(f"the tolerance in {item!r} should be at least 0")
            held[Path(ref).name] = Held(_term(codec, ref, ("head", "direction")), tolerance)
        return Objective(terms, weights, held)


def _term(
    codec: Codec, ref: str, kinds: Sequence[str], caution: float = 0.0, reach: float | None = None
) -> HeadTerm | Probe:
    """A fitted head or direction as a term."""
    from latentopt.artefact import kind_of
    from latentopt.directions.fitted import load_direction
    from latentopt.heads.fitted import load_head
    from latentopt.heads.head import Head
    from latentopt.search.objective import HeadTerm, Probe

    kind = kinds[0] if len(kinds) == 1 else kind_of(ref, codec, kinds)
    if kind == "direction":
        return Probe(load_direction(ref, codec).direction, reach)
    fitted = load_head(ref, codec)
    if caution and getattr(type(fitted.module), "uncertainty", Head.uncertainty) is Head.uncertainty:
        raise LatentoptError(f"--caution needs a head that knows its doubt, such as mlp_ensemble; {ref!r} does not")
    # Who asks for 20 likes means likes, whatever a head learned of them.
    if reach is not None and fitted.card.get("transform") == "log1p" and not fitted.card.get("groups"):
        if reach < 0:
            raise LatentoptError(f"{ref!r} predicts a count, and --reach asks for {reach:g}")
        reach = math.log1p(reach)
    return HeadTerm.of(fitted, caution, reach)


def _measure(ref: str) -> tuple[Metric, float]:
    """A property of the text by its name, and 1 where more is better, -1 where less is."""
    from latentopt.judges import load_judge
    from latentopt.plugins import offers

    if ":" in ref or not offers("judge", ref):
        return _function(ref), 1.0
    judge = load_judge(ref)
    return judge, 1.0 if judge.higher_is_better else -1.0


def _function(ref: str) -> Metric:
    """The function of one text in a file, ``FILE.py:FUNCTION``, as a metric.

    Raises:
        LatentoptError: when the file or the function is absent, or importing the file fails.
    """
    import numpy as np

    path, _, name = ref.rpartition(":")
    if not Path(path).is_file():
        raise LatentoptError(f"the score {ref!r} should read FILE.py:FUNCTION, or name a judge; there is no such file")
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    if spec is None or spec.loader is None:
        raise LatentoptError(f"the score {ref!r} should name a .py file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except MISBEHAVIOUR as error:
        raise LatentoptError(f"importing {path} raised {type(error).__name__}: {error}") from error
    function: Callable[[str], float] | None = getattr(module, name, None)
    if not callable(function):
        raise LatentoptError(f"{path} has no function {name!r}")

    def score(texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        return np.array([_called(function, text, ref) for text in texts], dtype=np.float64)

    return score


def _called(function: Callable[[str], float], text: str, ref: str) -> float:
    try:
        return float(function(text))
    except MISBEHAVIOUR as error:
        raise LatentoptError(
            f"the score {ref} raised {type(error).__name__} on {text[:60]!r}: {error}; "
            "return float('nan') for a text that cannot be scored"
        ) from error

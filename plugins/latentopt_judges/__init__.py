"""First-party judges: what reads as English, and what still means the same."""

from latentopt.hookspecs import Register, hookimpl


@hookimpl
def register_judges(register: Register) -> None:
    register(
        "acceptable", "latentopt_judges.verdict:acceptable", "how likely an editor would let the text pass, 0 to 1"
    )
    register(
        "causal_lm", "latentopt_judges.language_model:causal_lm", "likelier than its draft by so many nats a token"
    )
    register("grammar", "latentopt_judges.grammar:grammar", "problems of grammar that the draft has not (Harper)")
    register("meaning", "latentopt_judges.meaning:meaning", "how alike text and draft are in meaning, a cosine")
    register("token_pairs", "latentopt_judges.token_pairs:token_pairs", "nats of surprise that neighbouring tokens add")
    register("usable", "latentopt_judges.verdict:usable", "1 where changed, acceptable and of the same meaning, else 0")


@hookimpl
def register_filters(register: Register) -> None:
    register("same_meaning", "latentopt_judges.verdict:same_meaning", "means what its draft means, a cosine of 0.8")

"""First-party heads: `ridge`, `logistic`, `mlp`, and `linear`, the twin of linear estimators."""

from latentopt.hookspecs import Register, hookimpl


@hookimpl
def register_heads(register: Register) -> None:
    register("ridge", "latentopt_heads.estimators:ridge", "ridge regression, its penalty chosen by cross-validation")
    register("logistic", "latentopt_heads.estimators:logistic", "logistic regression for two classes; log-odds")
    register("mlp", "latentopt_heads.modules:MLPHead", "a small neural network trained on noised latents")
    register("linear", "latentopt_heads.modules:LinearHead", "the differentiable twin of linear estimators")

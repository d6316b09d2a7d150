"""First-party heads: linear ones, small networks, and gradient boosting as a black box."""

from latentopt.hookspecs import Register, hookimpl


@hookimpl
def register_heads(register: Register) -> None:
    register("ridge", "latentopt_heads.estimators:ridge", "ridge regression, its penalty chosen by cross-validation")
    register("logistic", "latentopt_heads.estimators:logistic", "logistic regression for two classes; log-odds")
    register("mlp", "latentopt_heads.modules:MLPHead", "a small neural network trained on noised latents")
    register(
        "mlp_ensemble", "latentopt_heads.modules:MLPEnsemble", "such networks on bootstrap samples; knows its spread"
    )
    register("gradient_boosting", "latentopt_heads.trees:gradient_boosting", "boosted trees; a black box, no gradient")
    register(
        "gradient_boosting_classifier",
        "latentopt_heads.trees:gradient_boosting_classifier",
        "boosted trees for two classes; a black box, no gradient",
    )
    register("ngrams", "latentopt_heads.ngrams:NgramRidge", "ridge regression on what is written: n-grams of the text")
    register(
        "ngram_head", "latentopt_heads.ngrams:NgramHead", "the twin of ngrams: reads texts, and imitates that in z"
    )
    register("linear", "latentopt_heads.modules:LinearHead", "the differentiable twin of linear estimators")
    register("trees", "latentopt_heads.trees:TreesHead", "the twin of gradient boosting; no gradient")

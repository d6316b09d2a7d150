"""First-party searchers that need no gradient: `perturbation`, `cma`, `surrogate`, `optuna`."""

from latentopt.hookspecs import Register, hookimpl


@hookimpl
def register_searchers(register: Register) -> None:
    register("perturbation", "latentopt_blackbox.perturbation:Perturbation", "the best of many random perturbations")
    register("cma", "latentopt_blackbox.cma:SeparableCMA", "separable CMA-ES on z, on what the text keeps")
    register(
        "surrogate",
        "latentopt_blackbox.surrogate:Surrogate",
        "evolution screened by a Gaussian process; for dear scores",
    )
    register("optuna", "latentopt_blackbox.subspace:OptunaSubspace", "optuna's samplers in a subspace; resumable")

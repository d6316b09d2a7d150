"""First-party searcher `gradient`."""

from latentopt.hookspecs import Register, hookimpl


@hookimpl
def register_searchers(register: Register) -> None:
    register("gradient", "latentopt_gradient.gradient:Gradient", "Adam on z within a trust radius, with restarts")

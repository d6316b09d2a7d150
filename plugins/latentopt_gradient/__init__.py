"""First-party searchers that follow the objective's gradient: `gradient`, `langevin`, `ode`, `fgim`."""

from latentopt.hookspecs import Register, hookimpl


@hookimpl
def register_searchers(register: Register) -> None:
    register("gradient", "latentopt_gradient.gradient:Gradient", "Adam on z, going on from what the text keeps")
    register("langevin", "latentopt_gradient.langevin:Langevin", "Langevin dynamics under the aggregate posterior")
    register("ode", "latentopt_gradient.ode:LatentOpsODE", "the sampler of LatentOps")
    register("fgim", "latentopt_gradient.fgim:FGIM", "a ladder of step sizes, after FGIM")

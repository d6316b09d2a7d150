"""First-party direction finder `mean_difference`, and `linear`, the class of what it finds."""

from latentopt.hookspecs import Register, hookimpl


@hookimpl
def register_directions(register: Register) -> None:
    register(
        "mean_difference", "latentopt_directions.finders:MeanDifference", "the mean of the targets less the sources'"
    )
    register("linear", "latentopt.direction:LinearDirection", "the class of linear directions; not a finder")

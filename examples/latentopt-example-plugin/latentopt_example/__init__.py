"""An example plugin: the head `radial`, the filter `no_shouting` and the direction finder `median_difference`."""

from latentopt.hookspecs import Register, hookimpl


@hookimpl
def register_heads(register: Register) -> None:
    register("radial", "latentopt_example.heads:RadialRegressor", "a radial basis function network")
    register("radial_network", "latentopt_example.heads:RadialHead", "the differentiable twin of radial; not fitted")


@hookimpl
def register_filters(register: Register) -> None:
    register("no_shouting", "latentopt_example.filters:no_shouting", "at most this share of capital letters, 0 to 1")


@hookimpl
def register_directions(register: Register) -> None:
    register(
        "median_difference",
        "latentopt_example.finders:MedianDifference",
        "the median change; a few bad pairs do no harm",
    )

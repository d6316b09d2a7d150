"""An example plugin: a head, a filter, a direction finder, a searcher, a judge, a codec, its loader and a command."""

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


@hookimpl
def register_searchers(register: Register) -> None:
    register("hill_climb", "latentopt_example.searchers:HillClimb", "random steps from the best text so far")


@hookimpl
def register_judges(register: Register) -> None:
    register("plain_words", "latentopt_example.judges:plain_words", "letters a word; less is better")


@hookimpl
def register_codecs(register: Register) -> None:
    register("letters", "latentopt_example.codecs:letters", "a toy: texts of 16 small letters, and no model")


@hookimpl
def register_loaders(register: Register) -> None:
    register("letters", "latentopt_example.codecs:load_letters", "folders that latentopt make-letters writes")


@hookimpl
def register_commands(register: Register) -> None:
    register("make-letters", "latentopt_example.commands:make_letters", "write the folder of a codec of letters")

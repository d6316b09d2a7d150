"""First-party direction finders, the classes of what they find, and the generator of paraphrases."""

from latentopt.hookspecs import Register, hookimpl


@hookimpl
def register_directions(register: Register) -> None:
    register(
        "mean_difference", "latentopt_directions.finders:MeanDifference", "the mean of the targets less the sources'"
    )
    register("difference_pca", "latentopt_directions.finders:DifferencePCA", "the main axis of the differences; pairs")
    register("fisher", "latentopt_directions.finders:Fisher", "the mean difference, whitened")
    register("logistic", "latentopt_directions.finders:Logistic", "the mean difference, measured by a logistic probe")
    register("ridge_map", "latentopt_directions.maps:RidgeMap", "ridge regression of the difference; pairs")
    register("procrustes", "latentopt_directions.maps:Procrustes", "a rotation and a shift; pairs")
    register("erasure", "latentopt_directions.maps:Erasure", "LEACE, then the average target's attribute")
    register("local_shift", "latentopt_directions.local:LocalShift", "what similar sources moved by; pairs")
    register("offset_network", "latentopt_directions.network:OffsetNetworkFinder", "a network with a critic; pairs")
    register("linear", "latentopt.directions.direction:LinearDirection", "the class of linear directions; not a finder")
    register("composition", "latentopt.directions.composition:Composition", "several directions as one; not a finder")
    register("probed", "latentopt_directions.modules:ProbedDirection", "a vector and a probe; not a finder")
    register("affine", "latentopt_directions.modules:AffineDirection", "an affine map; not a finder")
    register("local", "latentopt_directions.modules:LocalDirection", "a kernel over pairs; not a finder")
    register("network", "latentopt_directions.modules:OffsetNetwork", "a network of offsets; not a finder")


@hookimpl
def register_generators(register: Register) -> None:
    register(
        "adversarial",
        "latentopt_directions.adversarial:AdversarialGenerator",
        "noise turned to where texts are; see fit-generator",
    )

"""First-party metrics."""

from latentopt.hookspecs import Register, hookimpl


@hookimpl
def register_metrics(register: Register) -> None:
    register("chrf", "latentopt_metrics.metrics:chrf", "chrF of the text against its draft, 0 to 100 (sacrebleu)")
    register("bleu", "latentopt_metrics.metrics:bleu", "sentence BLEU against its draft, 0 to 100 (sacrebleu)")
    register("edit_distance", "latentopt_metrics.metrics:edit_distance", "Levenshtein distance to its draft")
    register("distinct", "latentopt_metrics.metrics:distinct", "distinct-n over the texts of one draft, 0 to 1")

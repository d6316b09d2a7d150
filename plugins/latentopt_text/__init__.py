"""First-party filters for any text."""

from latentopt.hookspecs import Register, hookimpl


@hookimpl
def register_filters(register: Register) -> None:
    register("max_chars", "latentopt_text.filters:max_chars", "at most so many characters")
    register("tweet_length", "latentopt_text.tweet:tweet_length", "fits a tweet by Twitter's weighted count")
    register("min_similarity", "latentopt_text.filters:min_similarity", "at least this similar to the draft, 0 to 1")
    register("blocklist", "latentopt_text.filters:blocklist", "holds none of these words (a,b,c or a file)")
    register("regex", "latentopt_text.filters:regex", "a match of the pattern is found")

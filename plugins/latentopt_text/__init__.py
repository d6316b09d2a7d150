"""First-party filters for any text."""

from latentopt.hookspecs import Register, hookimpl


@hookimpl
def register_filters(register: Register) -> None:
    register("max_chars", "latentopt_text.filters:max_chars", "at most so many characters")
    register("tweet_length", "latentopt_text.tweet:tweet_length", "fits a tweet by Twitter's weighted count")
    register("min_similarity", "latentopt_text.filters:min_similarity", "at least this similar to the draft, 0 to 1")
    register("blocklist", "latentopt_text.filters:blocklist", "holds none of these words (a,b,c or a file)")
    register("regex", "latentopt_text.filters:regex", "a match of the pattern is found")
    register("language", "latentopt_text.language:language", "in one of these languages (en,fr)")
    register("profanity", "latentopt_text.profanity:profanity", "no English swear word or slur")
    register("personal_data", "latentopt_text.personal:personal_data", "no e-mail address, phone or card number")
    register("duplicates", "latentopt_text.duplicates:duplicates", "not among the texts of a file, nor near to one")
    register("reading_ease", "latentopt_text.reading:reading_ease", "at least this easy to read, 60 is plain English")
    register("fluent", "latentopt_text.perplexity:fluent", "not garbled: acceptable, or adds so few nats of surprise")
    register("perplexity", "latentopt_text.perplexity:perplexity", "at most this perplexity under the model")
    register("keep_words", "latentopt_text.content:keep_words", "keeps those of these words that the draft holds")
    register("keep_numbers", "latentopt_text.content:keep_numbers", "has the numbers of the draft and no others")
    register("keep_names", "latentopt_text.content:keep_names", "has the names of the draft and no others")
    register("keep_negation", "latentopt_text.content:keep_negation", "has as many negations as the draft")
    register("keep_content", "latentopt_text.content:keep_content", "has the content words of the draft and no others")
    register(
        "keep_persons", "latentopt_text.content:keep_persons", "speaks of the same persons: I, we, you, he, she, they"
    )
    register("keep_questions", "latentopt_text.marks:keep_questions", "has as many question marks as the draft")
    register("keep_entities", "latentopt_text.entities:keep_entities", "has the links, @names and #tags of the draft")
    register("keep_ending", "latentopt_text.marks:keep_ending", "ends with a closing mark where the draft does")
    register(
        "keep_marks",
        "latentopt_text.marks:keep_marks",
        "keeps the draft's dashes, colons, semicolons, brackets and quotation marks",
    )
    register("same_ending", "latentopt_text.marks:same_ending", "ends in the same marks as the draft, or in none")
    register("keep_length", "latentopt_text.filters:keep_length", "at least this share of the draft's length, 0.9")
    register("all_of", "latentopt_text.combined:all_of", "every one of the filters A=1|B=2 accepts")
    register("any_of", "latentopt_text.combined:any_of", "at least one of the filters A=1|B=2 accepts")
    register("not_", "latentopt_text.combined:not_", "the filter A=1 refuses")

"""Write docs/benchmarks.md from what the benchmarks measured (runs/benchmarks/*.json); other sections stay as they are.

make bench
python recipes/benchmarks/write_docs.py
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from reporting import OUT

DOCS = Path(__file__).resolve().parent.parent.parent / "docs/benchmarks.md"

HEAD = """# Benchmarks

Every table is what the command above it printed, and `recipes/benchmarks/write_docs.py` writes this page. `make bench` runs
all but `yelp_sentiment`, `sentiment_search` and the rewriter of `paraphrase`, which are for models that are trained first,
by the command in their file, and `space`, `guard`, `tones` and `rewrites`, for which a language model that judges is
installed first. All figures are on texts, pairs and tests that were kept out of every training by hash
(`recipes/corpora.py`). The data are part of public sets with more held back, so these are development figures. No GPU was
at hand: `english-small` was trained on one core of a server's CPU in about four hours, `python-lines` on one or two in
about four and a half; more training is the first thing to try. The tables were measured on two such cores, which others
share, so times are best read as ratios.

The last two stages of `english-small` were added later, and `reconstruction`, `space`, `engagement`, `guard` and `tones`
were measured on the model that came of them. The other tables of it are of the model before, which gave more sentences back
exactly and knew fewer ones in between: `space` has both.
"""

SECTIONS = {
    "reconstruction": "How often an unseen text comes back exactly, by its length; the same after noise is "
    "added to its latent.",
    "invert": "Exact encoding (`latentopt.inversion`) beside the codec's own: how often an unseen text comes back, also after "
    "noise of so many standard deviations, and what `kept` itself says of .3; `moved` is in cells, of what was moved, `ms` "
    "processor time of a text, which `of the codec` has over that of encoding and decoding it once; `density` is of the "
    "aggregate posterior, in nats, less that at the codec's own. `head ranks` and `head shift` compare what a ridge "
    "regression, of length and fitted on plain encodings, predicts of the two, in rank correlation and in spreads: drafts are "
    "therefore scored by their plain ones.",
    "invert_directions": "What exact encoding does to edits: unseen pairs moved by the mean difference of at most 1,000 "
    "training pairs, one strength for all, the best of three; and of the sources that come back, the share that does so still "
    "after the vector was added, the text decoded, encoded in the same way, and the vector taken off.",
    "space": "What a space of English is worth, by a language model that guided nothing, on unseen texts, from their exact "
    "encodings. Acceptable is what reaches the limit that .90 of other unseen texts of the same corpus reach, each as its own "
    "draft; `real text` is the share of the texts themselves that does so, and `garbled` that of the same texts with one word "
    "swapped, replaced or left out: so much the judge lets pass. Neighbours are what a step of one cell makes of texts where "
    "it changes them; usable ones are also of the same meaning, beside attested paraphrases. Midpoints are half-way between "
    "two random texts, samples of the aggregate posterior, whatever corpus they are like. A share of n texts is off by up to "
    "1 / sqrt(n) by chance.",
    "guard": "What the guard of a search lets through, on unseen headlines and titles: the share of drafts with a rewrite, and "
    "of those rewrites the share that another language model than the guard's finds usable. A search takes the best of "
    "hundreds by its head, and so the worst errors of what is to hold it back.",
    "rewrites": "What becomes of people's drafts: headlines of unseen tests, unseen tweets of two accounts and unseen titles. "
    "`ours` is the command `optimize` with its guard, the rows below it leave out a part of it. The other searches "
    "are by themselves, from plain encodings and without splicing, with the guard where the row says so; all decode "
    "at most 96 latents of a segment. SmolLM2-135M-Instruct is asked in words, and the head takes the best of its "
    "answers. A draft stays as it is where the head prefers nothing to it. `changed`, `usable` and `usable and "
    "improved` are shares of all drafts: usable by models that guided nothing (the sentence encoder is the guard's "
    "own), improved by a judge of another kind than the head, fitted on other posts; `gain of usable` is by that "
    "judge, in standard deviations of its predictions. That judge is weak, for titles hardly better than chance, as "
    "its rank correlations with unseen posts tell: so `improved` and the gain hold for many drafts together, not for "
    "one. `copied` is the share of the words of changed drafts that stand, four in a row or more, in the posts that "
    "the head was fitted on and not in the draft; `segments` are those of a draft, `touched` those that a changed "
    "draft has otherwise; `s/draft` is processor time. A share of n drafts is off by up to 1 / sqrt(n) by chance.",
    "latent_space": "The family of T5-VAEs side by side, each trained for the same number of steps on the same statements; "
    "the doctor's figures on statements that no variant saw.",
    "searchable": "What makes a space searchable: terms and noises, each by going on from the default model for the same few "
    "steps; figures on unseen sentences. `paraphrase distance` is that of unseen paraphrases, random sentences having 1; "
    "`directions, exact` is the exact match of unseen pairs moved by the mean difference, over four attributes.",
    "health": "What `latentopt doctor` finds on unseen statements and sentences, and what 200 valid samples cost: the mean of "
    "several seeds, the least and the largest of them, and the verdict of the most.",
    "repeats": "How often texts repeat in the data behind the figures here, and whether any is both learned and evaluated: "
    "none is. Where learned rows repeat (`share`), cross-validation keeps them in one fold.",
    "chance": "How often a head that was fitted to noise is told to be better than chance, which it may be in 2.5 % of the "
    "draws, with the upper end of the 95 % interval of that share. `as if independent` would be the share with intervals that "
    "take held-out rows for independent; `score` and `deviation` are those of the held-out rank correlations. In the rows "
    "with a signal the length of the text is added to the noise.",
    "engagement": "The rank correlation, within unseen A/B tests, of the predicted and the measured click rate of a "
    "headline, with a 95 % bootstrap interval over tests. `ngrams` reads the headline, `ridge` has its latent alone.",
    "tones": "Unseen sentences moved along directions that were fitted on few pairs, by the rules of `transfer`: each by its "
    "own strength, from exact encodings, held to the guard. `right` is the attested target, `fine` another text that "
    "a language model which guided nothing finds usable, `broken` one that it does not; `longer` is `right` of the "
    "sentences of eight words and more, `returns` the share of the right ones that come back when the direction is "
    "taken off again.",
    "tatoeba_attributes": "Sentences moved along a direction, beside leaving them as they are; neither side of a pair was "
    "trained on. `exact match` is with the attested other half of the pair, `reached` is by an independent classifier "
    "(which takes the true targets for targets in the share `targets reached`), `content kept` is the share of the words "
    "that source and target share. The sequence-to-sequence T5 is the yardstick of the next table, where it was trained.",
    "seq2seq_yardstick": "What a training run per attribute costs and gives: the same T5 from the same weights, all of "
    "them trained on the same pairs to write the target where it read the source; `seconds` are those of the training.",
    "two_attributes": "Two directions at once, on sources that neither has seen. `first`, `second` and `both` are reached by "
    "rule (words and marks); `first rule right` and `second rule right` are the shares of attested texts that the rules take "
    "for what they are. `content kept` is the share of the words that no training pair takes out.",
    "yelp_sentiment": "Review sentences moved to the other sentiment with at most 2,000 labelled sentences. Two classifiers "
    "that guided nothing judge: `accuracy` is by a small transformer, `n-gram accuracy` by one that reads as the guide does. "
    "`self-BLEU` is to the sentence, `perplexity` that of a model of three words at a time, which "
    "compares these rows and is not to be put beside published ones. How texts are tried was chosen on another draw "
    "of 200 sentences of dev (17 of these are among them). Likeness and guide alone please the judges "
    "with poor English; the rows marked fluent hold them to the likelihood of their words.",
    "validity": "Only valid Python: the same latents decoded freely, with the failures again under the grammar, always under "
    "it, and with neighbours. `time` (of one processor, the least of several rounds) and `length` are ratios, "
    "`tries` latents per valid text.",
    "sentiment_search": "Review sentences searched to the other sentiment, at growing lengths or likeness to the sentence. Two "
    "classifiers that guided nothing judge: `n-gram accuracy` is by one that reads as the head `ngrams` does, `accuracy` "
    "by a small transformer. `self-BLEU` is to the sentence. Where phrases are tried, up to 256 more texts a sentence are "
    "made of those of the labelled sentences of the other class, and read by the head; they take no decodes.",
    "fluency": "What surprises the counts of a model's neighbouring tokens in a rewrite, beyond what stands in its source "
    "(`--filter fluent`), in nats: half of the rewrites surprise by less than `median`; then the share that each limit lets "
    "pass, 3 being the filter's own. The edits are those of the attributes' unseen pairs. It is a filter for small changes: "
    "a whole rewrite by a person surprises too.",
    "judges": "How judges tell rewrites by people from garbled ones, on unseen rows. Each judge has one limit, which 5 % of "
    "the garbled small edits pass (a word swapped, replaced or left out): `edits`, `paraphrases`, `headlines` "
    "(another headline of the same test) and `titles` (another title) are the shares of people's texts that pass "
    "it, `garbled headlines` and `pushed` (what the model makes of latents pushed 1 to 1.5 cells) what should "
    "not. `alone` are the edits as their own drafts, as a sample is. `headlines at 5 %` has a limit of its own, "
    "which 5 % of garbled headlines pass. `swapped` to `agreement broken` are areas under the curve, edits "
    "against the same garbled. `minimal pairs` is the share of sixteen templates' pairs of which the right "
    "sentence is preferred. The verdict passes a little over half of whole headlines, far from all: a word "
    "swapped in a long headline, of which no better version is at hand, often escapes it. `texts/s of a core` "
    "counts the seconds of one processor, with nothing remembered.",
    "upworthy": "Headlines of unseen tests pushed up by the head and judged by a model of another kind that guided nothing "
    "and was fitted on other tests, in standard deviations of its predictions over real headlines, with a 95 % bootstrap "
    "interval; `n-gram judge gain` is by one of the head's own kind. `judge gain, down` is the same search with the head's "
    "sign changed, `realised` is the head's gain on the decoded text over the gain promised at z. What was spliced took "
    "single differences from the draft back, or over from other rewrites; with phrases, also over from the headlines that "
    "the head was fitted on, where they stood between the same words. `length` is that of the rewrite over the draft's. The "
    "rows with a number of nats are held to the filters `fluent`, with that limit, and `keep_length`: the others please the "
    "judge with poor English, and with phrases also by being twice as long. `s/draft` of FGIM and CMA-ES is on two threads, "
    "of the others on one.",
    "expressions": "The best score after 100 and 500 evaluations, mean over seeds, lower is better; the autoencoder has seen "
    "the worst half of the expressions only. The search was made on the first target and on others that are not here.",
    "paraphrase": "Paraphrases of unseen sentences beside the attested ones, five candidates a sentence. BLEU and chrF are "
    "those of the best candidate; `true` is by a logistic regression on what two sentences share, an upper bound. The "
    "generator is fitted on 10,000 training sentences; the rewriter, where there is one, on the pairs not held out.",
    "decode": "The own decoding loop beside transformers' `generate`, on the latents of unseen sentences, in turn.",
    "batching": "100 drafts in one call of `optimize` beside 100 calls, one start per draft, without and with splicing, "
    "whose texts are all encoded; and the memory by which a process grows for so many drafts, 64 of which are searched "
    "at once.",
}

HIDDEN = ("name", "command", "machine", "rows", "fingerprint")


def cell(value: object) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.3f}"
    return str(value)


def section(name: str, meaning: str) -> str:
    record = json.loads((OUT / f"{name}.json").read_text(encoding="utf-8"))
    table = pd.DataFrame(record["rows"])
    lines = [list(table.columns), ["---"] * len(table.columns), *table.itertuples(index=False)]
    facts = {key: value for key, value in record.items() if key not in HIDDEN}
    settings = ", ".join(f"{key} {value}" for key, value in facts.items())
    meaning = f"{meaning} ({settings})" if settings else meaning
    body = "\n".join("| " + " | ".join(cell(value) for value in line) + " |" for line in lines)
    command = record.get("command", f"python recipes/benchmarks/{name}.py")
    return f"\n## {name}\n\n    {command}\n\n{meaning}\n\n{body}\n"


def main() -> None:
    page = DOCS.read_text(encoding="utf-8") if DOCS.is_file() else ""
    kept = {part.partition("\n")[0]: f"\n## {part.rstrip()}\n" for part in page.split("\n## ")[1:]}
    measured = {name: section(name, meaning) for name, meaning in SECTIONS.items() if (OUT / f"{name}.json").is_file()}
    DOCS.write_text(HEAD + "".join((kept | measured).get(name, "") for name in SECTIONS), encoding="utf-8")
    print(f"wrote {DOCS}")


if __name__ == "__main__":
    main()

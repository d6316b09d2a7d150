"""The posts of `rewrites`: what a head learns from, what its judge learns from, and drafts that neither has seen."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from upworthy import Judge, style_and_subject

import latentopt
from latentopt.corpus.split import is_held_out, text_key
from latentopt.heads.validation import rank_correlation
from latentopt.segments.whole import Whole

import corpora

SHORTEST = 3
"""A draft has at least so many words."""
TITLES, UNSEEN = 8000, 4000
"""From how many titles head and judge learn, and among how many drafts are drawn."""
HELD_OUT_TWEETS = 0.2
SCORED = 2000
"""On how many unseen posts head and judge are compared with the truth."""


class Kind(NamedTuple):
    """What a post is called, and what its readers do when they like it, for who is asked to rewrite it in words."""

    noun: str
    deed: str


KINDS = {
    "headlines": Kind("headline", "click on it"),
    "tweets": Kind("tweet", "like it"),
    "titles": Kind("title of a Reddit post", "vote for it"),
}


def headlines() -> pd.DataFrame:
    """Headlines with their click rate within a test; drafts are of unseen tests."""
    table = corpora.headlines()
    seen = corpora.training_rows(table).index
    made = {
        "text": table["headline"],
        "value": table["rate"],
        "group": table["test_id"],
        "weight": table["impressions"],
    }
    parts = np.where(table["held_out"], "draft", np.where(table.index.isin(seen), "learned", ""))
    return pd.DataFrame(made).assign(part=parts, key=table["test_id"])


def tweets() -> pd.DataFrame:
    """The tweets of two accounts, no retweets, with the logarithm of their likes within a month of an account."""
    folder = corpora.data_folder() / "tweets"
    table = pd.concat([pd.read_csv(path, dtype={"text": str}) for path in sorted(folder.glob("*.csv"))])
    table = table.assign(text=table["text"].map(html.unescape)).drop_duplicates("text")
    # The replacement character stands where the file has lost an emoji.
    kept = ~table["text"].str.startswith("RT @") & ~table["text"].str.contains("\ufffd")
    table = table[kept].reset_index(drop=True)
    month = pd.to_datetime(table["created_at"], format="%m/%d/%y %H:%M").dt.strftime("%Y-%m")
    made = {"text": table["text"], "value": np.log1p(table["favorites"]), "group": table["user"] + " " + month}
    held = [is_held_out(text, HELD_OUT_TWEETS, "tweets") for text in table["text"]]
    return pd.DataFrame(made).assign(weight=1.0, part=np.where(held, "draft", "learned"), key=table["text"])


def titles() -> pd.DataFrame:
    """Reddit titles with the share of their subreddit's posts that score less; drafts are those that no model has seen."""
    table = pd.read_csv(
        corpora.data_folder() / "reddit_titles/titles.tsv.gz", sep="\t", quoting=3, dtype={"title": str}
    )
    table = table.dropna(subset="title").drop_duplicates("title")
    held = np.array([is_held_out(text, corpora.HELD_OUT) for text in table["title"]])
    table = pd.concat([table[~held].sample(TITLES, random_state=0), table[held].sample(UNSEEN, random_state=0)])
    made = {"text": table["title"], "value": table["score_percentile"], "group": "all", "weight": 1.0}
    parts = ["learned"] * TITLES + ["draft"] * UNSEEN
    return pd.DataFrame(made).assign(part=parts, key=table["title"]).reset_index(drop=True)


POSTS = {"headlines": headlines, "tweets": tweets, "titles": titles}


def parted(posts: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Posts for the head, for the judge and for drafts; no text stands in two of them.

    Args:
        posts: ``text``, ``part`` ("learned" or "draft") and ``key``: posts that share theirs stay together.
    """
    learned, unseen = posts[posts["part"] == "learned"], posts[posts["part"] == "draft"]
    judge = np.array([is_held_out(key, 0.5, "judge") for key in learned["key"]], dtype=bool)
    for_head = learned[~judge]
    known = set(for_head["text"].map(text_key))
    for_judge = learned[judge & ~learned["text"].map(text_key).isin(known)]
    known |= set(for_judge["text"].map(text_key))
    return for_head, for_judge, unseen[~unseen["text"].map(text_key).isin(known)]


def drawn(unseen: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    """n distinct drafts in the order in which the seed draws them, with ``second``: another post of the same group.

    Of a draft that is alone in its group there is none, and ``second`` is missing; where groups are tests, such drafts are
    passed over.
    """
    long_enough = [len(text.split()) >= SHORTEST for text in unseen["text"]]
    unseen = unseen[long_enough].drop_duplicates(["group", "text"])
    mixed = unseen.sample(frac=1, random_state=seed)
    # Each post's second is the next of its group in this order, and the last one's is the first.
    following = mixed.groupby("group")["text"].shift(-1)
    second = following.fillna(mixed.groupby("group")["text"].transform("first"))
    mixed = mixed.assign(second=second.where(second != mixed["text"]))
    return mixed.drop_duplicates("text").head(n).reset_index(drop=True)


@dataclass
class Corpus:
    """Drafts of one kind, the head that guides and the judge that does not.

    Attributes:
        learned: the posts that the head was fitted on; phrases are taken from them.
        drafts: n texts.
        seconds: another headline of each draft's test, where there are tests.
        judge: predicts in sd, of another kind than the head and fitted on other posts.
        facts: rank correlations of the head and the judge with the truth on unseen posts, in words.
    """

    name: str
    learned: list[str]
    drafts: list[str]
    seconds: list[str] | None
    head: latentopt.FittedHead
    judge: Judge
    facts: str

    @classmethod
    def load(cls, name: str, codec: latentopt.Codec, kind: str, n: int, seed: int) -> Corpus:
        """Read the posts of `POSTS`, fit a head of this kind and the judge, and draw n drafts."""
        posts = POSTS[name]()
        for_head, for_judge, unseen = parted(posts[Whole(codec).fits(posts["text"].tolist())])
        grouped, weighted = (len(for_head[name].unique()) > 1 for name in ("group", "weight"))
        head = latentopt.fit_head(
            codec,
            for_head["text"].tolist(),
            for_head["value"].to_numpy(),
            for_head["group"].to_numpy() if grouped else None,
            kind,
            weights=for_head["weight"].to_numpy() if weighted else None,
        )
        asked = unseen.head(SCORED)
        columns = {"text": "headline", "value": "rate", "group": "test_id"}
        judge = Judge(style_and_subject(), for_judge.rename(columns=columns), asked["text"].tolist())
        groups = asked["group"].to_numpy() if grouped else None
        predictions = head.predict(codec, asked["text"].tolist()), judge(asked["text"].tolist())
        told = [f"{rank_correlation(asked['value'].to_numpy(), values, groups)[0]:.2f}" for values in predictions]
        tested = name == "headlines"
        drafts = drawn(unseen[unseen.groupby("group")["text"].transform("nunique") > 1] if tested else unseen, n, seed)
        return cls(
            name,
            for_head["text"].tolist(),
            drafts["text"].tolist(),
            drafts["second"].tolist() if tested else None,
            head,
            judge,
            f"{name} {told[0]} and {told[1]}",
        )

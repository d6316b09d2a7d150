import latentopt
from latentopt.search.exchanging import Exchanging
from latentopt.search.objective import Objective, TextTerm
from latentopt.synonyms import SynonymTable
from latentopt.testing import ToyCodec

TABLE = SynonymTable({"big": {"large": 0.5}, "dad": {"father": 0.6, "old man": 0.2}}, {})
OBJECTIVE = Objective({"letters": TextTerm(lambda texts, sources: [len(text) for text in texts])}, {"letters": 1.0})


def rewrites(drafts, **how):
    result = latentopt.optimize(ToyCodec(40), drafts, OBJECTIVE, Exchanging(TABLE), splice=False, **how)
    best = result.table[result.table["rank"] == 1]
    return dict(zip(best["source"], best["text"], strict=True)), result.counts


def test_several_phrases_are_exchanged_one_after_another_and_nothing_is_decoded():
    found, counts = rewrites(["my dad has a big house", "nothing to exchange"])
    assert found == {"my dad has a big house": "my old man has a large house"}
    assert counts["tried"] == 0


def test_filters_say_where_a_phrase_fits():
    filters = {"father": latentopt.get("filter", "blocklist")("old man")}
    assert rewrites(["my dad is big"], filters=filters)[0] == {"my dad is big": "my father is large"}

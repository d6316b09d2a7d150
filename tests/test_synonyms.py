import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentopt.errors import LatentoptError
from latentopt.synonyms import SynonymTable, shipped

PAIRS = [
    ("It is a big house.", "It's a large house."),
    ("He has a big dog.", "He has a large dog."),
    ("The big boat sank.", "The large boat sank."),
    ("I like the big one.", "I like the large one."),
    ("She left on Sunday with Tom.", "On Sunday she went away with Tom."),
    ("Is it you?", "Was it you then, or was it them?"),
]
BIG = SynonymTable(
    {"big": {"large": 0.5}, "dad": {"father": 0.6, "old man": 0.2}, "i am": {"I'm": 0.4}}, {"i": "I", "i'm": "I'm"}
)


def test_what_is_exchanged_often_enough_is_counted():
    table = SynonymTable.count(*zip(*PAIRS, strict=True), least=2)
    assert table.shares == {"big": {"large": 0.75}, "large": {"big": 0.75}}
    assert SynonymTable.count(*zip(*PAIRS, strict=True), least=5).shares == {}


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("A big dog.", ["A large dog."]),
        ("Big dogs and big cats", ["Large dogs and big cats", "Big dogs and large cats"]),
        ("A BIG DOG", ["A LARGE DOG"]),
        ("My Dad Came Home", ["My Father Came Home", "My Old Man Came Home"]),
        ("A dad", ["A father", "An old man"]),
        ("I am here", ["I'm here"]),
        ("I\u2019ll say I am here", ["I\u2019ll say I\u2019m here"]),
        ("#big @big http://big.com/big", []),
        ("I @bob am here", []),
        ("I 😂 am here", []),
        ("Here am I\nam I not", []),
        ("bigger", []),
        ("", []),
    ],
)
def test_phrases_are_exchanged_as_they_are_written(text, made):
    assert BIG.exchanged(text) == made


@given(st.text(max_size=80))
def test_any_text_is_taken(text):
    made = BIG.exchanged(text)
    assert len(set(made)) == len(made)
    assert text not in made


def test_who_says_less_does_not_stand_for_who_says_more():
    pairs = [(f"I eat {n} rolls", f"I have {n} rolls") for n in range(3)] + [
        (f"I can {n}", f"I may {n}") for n in range(5)
    ]
    pairs += [(f"we have {n} dogs", f"we have {n} dogs") for n in range(60)]
    assert SynonymTable.count(*zip(*pairs, strict=True)).shares == {}
    assert SynonymTable.count(*zip(*pairs, strict=True), back=0.02).shares == {"eat": {"have": 1.0}}


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("America is big.", "The United States is big."),
        ("We like it. TV is bad.", "We like it. Television is bad."),
        ("I like TV.", "I like television."),
        ("WATCH TV NOW", "WATCH TELEVISION NOW"),
        ("A SMART BOY", "AN INTELLIGENT BOY"),
        ("Vitamin A nearly kills", "Vitamin A almost kills"),
        ("A nearly new car", "An almost new car"),
        ("Buy A Smart Toy Today", "Buy An Intelligent Toy Today"),
    ],
)
def test_capitals_are_those_of_the_place(text, made):
    assert made in shipped("en").exchanged(text)


def test_the_shipped_table_exchanges_what_says_the_same():
    table = shipped("en")
    assert "Do you think it is difficult?" in table.exchanged("Do you think it is hard?")
    assert "All Children Love TV" in table.exchanged("All Kids Love TV")
    assert all("tom" not in phrase.split() for phrase in table.shares)
    assert shipped("xx") is None


def test_a_table_is_saved_and_loaded(tmp_path):
    BIG.save(tmp_path / "t.json", data="made")
    assert SynonymTable.load(tmp_path / "t.json") == BIG
    (tmp_path / "t.json").write_text("[]")
    with pytest.raises(LatentoptError, match="no table of synonyms"):
        SynonymTable.load(tmp_path / "t.json")
    with pytest.raises(LatentoptError, match="cannot read"):
        SynonymTable.load(tmp_path / "absent.json")


def test_combinations_come_after_single_exchanges():
    assert BIG.combined("dad is big") == [
        "father is big",
        "dad is large",
        "old man is big",
        "father is large",
        "old man is large",
    ]
    assert BIG.combined("dad is big", most=2) == ["father is big", "dad is large"]
    assert BIG.combined("nothing") == []


@pytest.mark.parametrize(
    ("text", "source", "explained"),
    [
        ("A large dog", "A big dog", True),
        ("An old man is large", "A dad is big", True),
        ("My Father", "My Dad", True),
        ("A large cat", "A big dog", False),
        ("A big dog", "A big dog", False),
        ("A big dog", "A large dog", False),
        ("A", "", False),
    ],
)
def test_what_was_exchanged_is_known(text, source, explained):
    assert BIG.explains(text, source) is explained


@pytest.mark.parametrize(
    "text", ["I\u2019m sure everybody is able to see it's a big house.", "Why Kids Have To Watch TV"]
)
def test_every_text_that_is_made_is_explained(text):
    table = shipped("en")
    made = table.combined(text, most=200)
    assert made
    assert all(table.explains(new, text) for new in made)


def test_a_page_is_exchanged_in_bounded_steps():
    """What is made of a text is bounded, however long it is."""
    page = "I think that everybody is able to see it's a big house and kids love TV. " * 100
    table = shipped("en")
    made = table.exchanged(page)
    assert len(made) == 64
    assert len(table.combined(page, most=8)) == 8
    assert table.explains(made[-1], page)

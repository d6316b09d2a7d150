import pytest
from written import put

from latentopt.files import number_column, read_table, stream_texts, text_column


def test_semicolons_as_excel_writes_them_are_read_after_saying_so(tmp_path, caplog):
    path = put(tmp_path / "x.csv", 'text;likes\r\n"Ça va; bien";3\r\noui, oui;4\r\n', "cp1252")
    table = read_table(path)
    assert text_column(table, "text", path) == ["Ça va; bien", "oui, oui"]
    assert number_column(table, "likes", path).tolist() == [3, 4]
    assert "read as cp1252" in caplog.messages[0]
    assert "semicolons between its cells" in caplog.messages[1]
    path = put(tmp_path / "y.csv", "sep=|\ntext|likes\na;b|3\n")
    assert read_table(path).to_dict("list") == {"text": ["a;b"], "likes": ["3"]}


@pytest.mark.parametrize(
    ("content", "texts", "said"),
    [
        ('text\tn\n"say ""so"" now"\t1\nplain\t2\n', ['say "so" now', "plain"], "undone"),
        ('"text"\t"n"\n"all"\t"1"\n', ["all"], "undone"),
        ('text\tn\n"Hello."\t1\nplain\t2\n', ['"Hello."', "plain"], "part of their texts"),
        ('text\tn\n"open\t1\nsaid "so"\t2\n', ['"open', 'said "so"'], "part of their texts"),
        ('text\tn\nsaid "so"\t2\n', ['said "so"'], None),
    ],
)
def test_what_the_quotation_marks_of_a_tsv_are_is_said(tmp_path, caplog, content, texts, said):
    path = put(tmp_path / "x.tsv", content)
    assert list(stream_texts(path)) == texts == text_column(read_table(path), "text", path)
    assert said in caplog.text if said else not caplog.messages


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ('text,n\n"Great day,1\nnice,2\nsaid "yes",3\nfine,4\n', "in line 2 is closed in line 4"),
        ('n,text\n5,"two\nlines"\n6,"Great day\n7,nice\n8,yes"\n9,fine\n', "in line 4 is closed in line 6"),
        ('id,text,n\n1,"a,2\n2,b",3\n3,c,4\n', "in line 2 is closed in line 3"),
        ('text,n\n"Dear all, hello\nthere, you\nand bye",1\nfine,2\n', None),
        ('text,n\n"Great\nday",1\nfine,2\n', None),
        ('text\n"Great\nday"\n', None),
    ],
)
def test_rows_that_an_open_quote_swallows_are_named(tmp_path, caplog, content, named):
    read_table(put(tmp_path / "x.csv", content))
    assert ("looks like rows" in caplog.text) == (named is not None)
    assert (named or "") in caplog.text

from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_the_page_shows_every_draft_under_each_command():
    drafts = (ROOT / "examples/forty_drafts.txt").read_text(encoding="utf-8").splitlines()
    assert len(drafts) == len(set(drafts)) == 40
    page = (ROOT / "docs/examples.md").read_text(encoding="utf-8")
    _, *parts = page.split("\n## ")
    assert [part.splitlines()[0] for part in parts] == ["optimize", "transfer", "paraphrase"]
    for part in parts:
        rows = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("| ")][2:]
        assert [draft for draft, _ in rows] == drafts
        touched = sum(rewrite != "*untouched*" for _, rewrite in rows)
        assert f"{touched} of {len(drafts)} drafts rewritten." in part

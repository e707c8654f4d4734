"""The pages hold together: links lead somewhere, docs/ja says what docs/ says, pictures are as their source draws them.

What a translation shares is what needs none: the sections and their blocks, code, names, links and figures. A page
that is changed in one language alone fails with the section and what differs.
"""

from __future__ import annotations

import re
import runpy
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from aurora_dwh_tests.e2e import kill_matrix
from aurora_dwh_tests.e2e.kill_words import in_japanese

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
TRANSLATED = sorted(ROOT.glob("docs/ja/*.md"))


class Section(NamedTuple):
    """A heading and what stands below it, up to the next one."""

    heading: str
    shared: Mapping[str, Counter[str]]
    """What a translation has as well -> how often: blocks, code, names, links."""
    figures: Counter[str]


def tokens(page: Path) -> list[Token]:
    return MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8"))


def links(within: list[Token]) -> Iterator[str]:
    """Yield the targets of links and pictures, those on the web apart."""
    for token in (inner for outer in within for inner in outer.children or ()):
        target = unquote(str(token.attrs.get("href") or token.attrs.get("src") or ""))
        if target and not re.match(r"\w+:", target):
            yield target


@cache
def anchors(page: Path) -> list[str]:
    """Return what GitHub names each heading of a page, in their order."""
    made: list[str] = []
    found = tokens(page)
    for opening, heading in pairwise(found):
        if opening.type == "heading_open":
            words = "".join(inner.content for inner in heading.children or ())
            name = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
            made.append(f"{name}-{made.count(name)}" if name in made else name)
    return made


def place(page: Path, target: str) -> str:
    """Return where a link leads, under its English name, with the number of the heading in place of its words."""
    path, _, anchor = target.partition("#")
    there = (page.parent / path).resolve() if path else page
    english = str(there.relative_to(ROOT)).replace("docs/ja/", "docs/").replace(".ja.", ".")
    return f"{english}, heading {anchors(there).index(anchor)}" if anchor else english


def sections(page: Path) -> list[Section]:
    found = tokens(page)
    starts = [number for number, token in enumerate(found) if token.type == "heading_open"]
    parts = [found[start:end] for start, end in zip(starts, [*starts[1:], None], strict=True)]
    return [_section(page, part) for part in parts]


def _section(page: Path, part: list[Token]) -> Section:
    inner = [one for token in part for one in token.children or ()]
    texts = " ".join(one.content for one in inner if one.type == "text")
    shared = {
        "blocks": Counter(f"{token.type} {token.tag}" for token in part if token.type != "inline"),
        "code": Counter(token.content for token in part if token.type in ("fence", "code_block", "html_block")),
        "names": Counter(one.content for one in inner if one.type == "code_inline"),
        "links": Counter(place(page, target) for target in links(part)),
    }
    return Section(part[1].content, shared, Counter(re.findall(r"\d+(?:[.,]\d+)*", texts)))


def differences(english: Path, japanese: Path) -> Iterator[str]:
    """Yield a sentence for each thing of a section that one of two pages has alone."""
    both = list(zip(sections(english), sections(japanese), strict=False))
    for number, (ours, theirs) in enumerate(both, 1):
        where = f"section {number}, `{ours.heading}` / `{theirs.heading}`"
        for kind, counted in ours.shared.items():
            here, there = counted - theirs.shared[kind], theirs.shared[kind] - counted
            if here or there:
                yield f"{where}: {kind}: in English alone {[*here]}, in Japanese alone {[*there]}"
        if missing := ours.figures - theirs.figures:
            yield f"{where}: figures: in English alone {[*missing]}"
    for page in (english, japanese):
        for section in sections(page)[len(both) :]:
            yield f"{page.relative_to(ROOT)} alone has the section `{section.heading}`"


@pytest.mark.parametrize("page", TRANSLATED, ids=lambda page: page.name)
def test_a_page_in_japanese_has_what_the_english_one_has(page: Path) -> None:
    found = list(differences(ROOT / "docs" / page.name, page))
    assert not found, f"docs/{page.name} and docs/ja/{page.name} differ:\n" + "\n".join(found)


def test_a_change_in_one_language_alone_is_told_with_its_section(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    english, japanese = tmp_path / "page.md", tmp_path / "page.ja.md"
    japanese.write_text(
        "# 運用\n\n30 日。\n\n## 証明\n\n`a` は [運用](#運用)。\n\n    aurora-dwh proof\n", encoding="utf-8"
    )
    text = "# Operation\n\n30 days.\n\n## Proof\n\n`a` is [it](#operation).\n\n    aurora-dwh proof\n"
    for changed, told in {
        text: "",
        text.replace("30", "60"): "section 1, `Operation` / `運用`: figures: in English alone ['60']",
        text.replace(
            "`a`", "`b`"
        ): "section 2, `Proof` / `証明`: names: in English alone ['b'], in Japanese alone ['a']",
        text.replace("#operation", "#proof"): (
            "section 2, `Proof` / `証明`: links: in English alone ['page.md, heading 1'], "
            "in Japanese alone ['page.md, heading 0']"
        ),
        text.replace("dwh proof", "dwh verify"): (
            "section 2, `Proof` / `証明`: code: in English alone ['aurora-dwh verify\\n'], "
            "in Japanese alone ['aurora-dwh proof\\n']"
        ),
        f"{text}\nAnd more.\n": (
            "section 2, `Proof` / `証明`: blocks: in English alone ['paragraph_open p', 'paragraph_close p'], "
            "in Japanese alone []"
        ),
        f"{text}\n## New\n": "page.md alone has the section `New`",
    }.items():
        english.write_text(changed, encoding="utf-8")
        anchors.cache_clear()
        assert "\n".join(differences(english, japanese)) == told


@pytest.mark.parametrize("section", kill_matrix.SECTIONS)
def test_the_table_of_a_crash_is_the_same_in_japanese(section: str) -> None:
    translated = [in_japanese(row) for row in kill_matrix.documented(section)]
    assert kill_matrix.documented(section, kill_matrix.JAPANESE_PAGE) == translated


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_of_a_page_leads_to_a_file_and_a_heading_that_are_there(page: Path) -> None:
    for target in links(tokens(page)):
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


@pytest.mark.parametrize("page", [ROOT / "README.ja.md", *TRANSLATED], ids=lambda page: page.name)
def test_no_mark_of_emphasis_is_left_in_the_text(page: Path) -> None:
    """Behind a full stop or a bracket a mark ends nothing unless a blank follows, which Japanese has nowhere."""
    inner = [one for token in tokens(page) for one in token.children or ()]
    assert [one.content for one in inner if one.type == "text" and "*" in re.sub(r"\d \* \d", "", one.content)] == []


def test_the_pictures_of_the_architecture_are_what_their_source_draws() -> None:
    source = runpy.run_path(str(ROOT / "docs" / "img" / "architecture.py"))
    for language in source["LANGUAGES"]:
        drawn = source["file"](language).read_text(encoding="utf-8")
        assert drawn == source["picture"](language), "run: python docs/img/architecture.py"

import json
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.errors import DataError, OutputError
from harness.report import render
from harness.report.render import to_html
from harness.report.result import parse
from harness.report.view import build

VOID = {"meta", "link", "br", "hr", "img", "input"}
ATTACK = (
    "<script>alert('x')</script>\"'><img src=http://evil.example/x onerror=alert(1)>&amp;{{7*7}}"
)


class Outline(HTMLParser):
    """The page as the tests look at it: tags with attributes, text per tag, errors in nesting."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.texts: list[tuple[str, str]] = []
        self.stack: list[str] = []
        self.broken: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.stack or self.stack.pop() != tag:
            self.broken.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data):
        self.texts.append((self.stack[-1] if self.stack else "", data))

    def all(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        """What a reader sees, blanks folded."""
        seen = (text for tag, text in self.texts if tag not in ("style", "title", "desc"))
        return re.sub(r"\s+", " ", "".join(seen))


def page_of(run: dict) -> str:
    return to_html(build(parse(run)))


def check_is_sound(page: str) -> Outline:
    """What must hold for every page whatever was measured."""
    outline = Outline(page)
    assert not outline.broken
    assert not outline.stack
    assert not outline.all("script")
    ids = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in outline.tags:
        for name in ("aria-labelledby", "for"):
            assert set(attributes.get(name, "").split()) <= set(ids)
        assert not [name for name in attributes if name.startswith("on")]
    return outline


def test_writes_one_page_and_nothing_else(tmp_path, run):
    (tmp_path / "result.json").write_text(json.dumps(run))
    path = render(tmp_path)
    assert path == tmp_path / "report.html"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["report.html", "result.json"]
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_rendering_again_gives_the_same_bytes(tmp_path, run):
    (tmp_path / "result.json").write_text(json.dumps(run))
    first = render(tmp_path).read_bytes()
    assert render(tmp_path).read_bytes() == first


def test_a_missing_result_leaves_no_page(tmp_path):
    with pytest.raises(DataError):
        render(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_page_that_cannot_be_written_is_said(tmp_path, run):
    (tmp_path / "result.json").write_text(json.dumps(run))
    (tmp_path / "report.html").mkdir()
    with pytest.raises(OutputError, match=r"report.html cannot be written"):
        render(tmp_path)


def test_half_a_surrogate_pair_is_no_reason_to_fail(tmp_path, run):
    run["question"]["data"]["description"] = "broken \ud800 text"
    (tmp_path / "result.json").write_text(json.dumps(run))
    assert "broken ? text" in render(tmp_path).read_text(encoding="utf-8")


def test_loads_nothing_from_anywhere(run):
    page = page_of(run)
    outline = check_is_sound(page)
    policy = outline.all("meta")[1]
    assert policy["http-equiv"] == "Content-Security-Policy"
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert "http" not in page.replace("http-equiv", "")
    assert "url(" not in page
    assert "@import" not in page
    loads = [a.get(name) for _, a in outline.tags for name in ("src", "href", "srcset", "action")]
    assert {load for load in loads if load} == {"data:,"}


def test_sections_stand_in_the_order_a_reader_asks(run):
    outline = Outline(page_of(run))
    headings = [text for tag, text in outline.texts if tag in ("h1", "h2") and text.strip()]
    assert headings == [
        "Which adaptation of all‑MiniLM‑L6‑v2 fits bbc‑news?",
        "What was asked",
        "What the advisor said beforehand",
        "What was measured",
        "Data findings",
        "How the comparison was made fair",
        "Reproduce it",
    ]


def test_headings_skip_no_level_and_tables_have_captions(run):
    outline = check_is_sound(page_of(run))
    levels = [int(tag[1]) for tag, _ in outline.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert len(outline.all("caption")) == len(outline.all("table")) > 5
    assert all("scope" in attributes for attributes in outline.all("th"))


def test_charts_have_a_title_and_a_description(run):
    outline = check_is_sound(page_of(run))
    charts = [one for one in outline.all("svg") if one.get("role") == "img"]
    assert len(charts) == 4
    assert len(outline.all("title")) == len(charts) + 1
    assert len(outline.all("desc")) == len(charts)
    said = [text for tag, text in outline.texts if tag == "desc"]
    assert "linear probe 95.1%" in said[0]


def test_every_row_fills_its_table(run):
    page = page_of(run)
    for table in re.findall(r"<table.*?</table>", page, flags=re.DOTALL):
        head, body = table.split("<tbody>")
        columns = head.count("<th ")
        for row in re.findall(r"<tr.*?</tr>", body, flags=re.DOTALL):
            spans = sum(int(span) - 1 for span in re.findall(r'colspan="(\d+)"', row))
            assert row.count("<th ") + row.count("<td") + spans == columns


@pytest.mark.parametrize(
    "place",
    [
        ("question", "model", "name"),
        ("question", "data", "name"),
        ("question", "data", "description"),
        ("question", "data", "digest"),
        ("question", "data", "label_names", 0),
        ("question", "data", "findings", 0, "text"),
        ("strategies", 0, "reason"),
        ("strategies", 1, "name"),
        ("strategies", 1, "chosen", "template"),
        ("advice", "assumptions", 0),
        ("advice", "recommendations", 0, "reasons", 1, "text"),
        ("advice", "tipping_points", 0, "to"),
        ("versions", "torch"),
        ("command",),
        ("started",),
        ("winner_reason",),
    ],
)
def test_what_users_wrote_is_text_and_never_markup(run, place):
    *way, last = place
    parent = run
    for key in way:
        parent = parent[key]
    parent[last] = ATTACK
    page = page_of(run)
    outline = check_is_sound(page)
    assert not outline.all("img")
    assert "{{7*7}}" in page or place == ("started",)  # which shows only its first characters
    assert "<script" not in page


def test_names_of_classes_and_baselines_are_escaped(run):
    for one in run["strategies"][1:]:
        one["per_class"][ATTACK] = 0.1
    run["baselines"][ATTACK] = {"accuracy": 0.5}
    run["device"][ATTACK] = ATTACK
    assert not check_is_sound(page_of(run)).all("img")


def test_the_least_there_can_be_is_a_page(run):
    text = check_is_sound(page_of({"winner": None, "strategies": []})).text
    assert "No strategy was measured to the end." in text
    assert "The advisor was not asked before this run." in text
    assert "The command was not recorded." in text


def test_the_contract_alone_is_a_page():
    test = {"mean": 0.9, "std": 0.01, "seeds": 3, "interval": [0.88, 0.92]}
    one = {"strategy": "lora", "status": "done", "test": test, "validation": test, "seconds": 3.5}
    run = {"winner": "lora", "win_rate": 1.0, "metric": "accuracy", "strategies": [one]}
    text = check_is_sound(page_of(run)).text
    assert "LoRA reaches 90.0% test accuracy" in text
    assert "Not measured in this run: Shifted test." in text


@settings(max_examples=60)
@given(st.data())
def test_whatever_is_missing_the_page_is_sound_and_invents_nothing(any_run, data):
    page = page_of(data.draw(any_run))
    text = check_is_sound(page).text
    assert "None" not in text
    assert not re.search(r"\bnan\b|\binf\b", text)


@settings(max_examples=30)
@given(st.text(), st.text(min_size=1))
def test_any_words_make_a_sound_page(name, label):
    run = {
        "winner": "lora",
        "strategies": [
            {"strategy": "lora", "name": name, "test": {"mean": 0.5}, "per_class": {label: 0.5}}
        ],
        "question": {"data": {"name": name, "description": label, "label_names": [label]}},
    }
    check_is_sound(page_of(run))


def luminance(colour: str) -> float:
    """Relative luminance of "#rrggbb" or "#rgb" (WCAG 2.2)."""
    digits = colour.lstrip("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    red, green, blue = (int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4))

    def linear(channel: float) -> float:
        return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4

    return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)


def test_colours_have_enough_contrast_by_day_by_night_and_on_paper(run):
    palettes = re.findall(r":root \{(.*?)\}", page_of(run), flags=re.DOTALL)
    assert len(palettes) == 3
    for palette in palettes:
        colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+)", palette))

        def contrast(one: str, other: str, colours=colours) -> float:
            dark, light = sorted((luminance(colours[one]), luminance(colours[other])))
            return (light + 0.05) / (dark + 0.05)

        for ground in ("paper", "panel", "accent-soft", "warm-soft"):
            assert contrast("ink", ground) >= 7  # AAA for what is read
            assert contrast("muted", ground) >= 4.5  # AA
        for mark in ("accent", "warm"):
            assert contrast(mark, "paper") >= 4.5
        assert contrast("mark", "paper") >= 3  # AA for shapes

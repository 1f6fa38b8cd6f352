"""Tables: what is read, what is refused and in which words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from advisor.errors import DataError
from harness.datasets.base import DataRequest, Dataset, Finding
from harness.datasets.load import load_dataset

ROWS = [(f"message number {i} of {label}", label) for i in range(10) for label in ("ham", "spam")]


def write(path: Path, rows: list[tuple[str, ...]], header: str = "text,label") -> Path:
    path.write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n", encoding="utf-8")
    return path


def load(path: Path, **changes) -> Dataset:
    return load_dataset(DataRequest(str(path), **changes))


def finding(data: Dataset, code: str) -> Finding:
    return next(found for found in data.findings if found.code == code)


def everything(data: Dataset) -> set[tuple[str, str]]:
    return {
        (text, data.label_names[target])
        for split in (data.train, data.test)
        for text, target in zip(split.inputs, split.targets, strict=True)
    }


def error_of(call: Callable[[], object]) -> str:
    with pytest.raises(DataError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_csv_is_read_whole_and_a_fifth_is_held_out(tmp_path: Path) -> None:
    data = load(write(tmp_path / "mail.csv", ROWS))
    assert (data.name, data.modality, data.label_names) == ("mail", "text", ("ham", "spam"))
    assert everything(data) == set(ROWS)
    assert len(data.train) == 16
    assert len(data.test) == 4
    assert data.train.ids[0] == "mail.csv:2"
    assert finding(data, "held_out").count == 4
    assert data.named_labels


@pytest.mark.parametrize(
    "content",
    [
        "text,label\n" + "".join(f"{t},{y}\n" for t, y in ROWS),
        "\ufefftext,label\n" + "".join(f"{t},{y}\n" for t, y in ROWS),
        "text,label\r\n" + "".join(f"{t},{y}\r\n" for t, y in ROWS),
        "text,label\r" + "".join(f"{t},{y}\r" for t, y in ROWS),
        "text;label\n" + "".join(f"{t};{y}\n" for t, y in ROWS),
        'label,other,"text"\n\n' + "".join(f'{y},x,"{t}"\n\n' for t, y in ROWS),
    ],
    ids=["plain", "byte order mark", "CRLF", "CR", "semicolons", "quotes and blank lines"],
)
def test_ways_of_writing_the_same_table_give_the_same_data(tmp_path: Path, content: str) -> None:
    path = tmp_path / "mail.csv"
    path.write_bytes(content.encode())
    data = load(path)
    assert everything(data) == set(ROWS)
    assert data.digest == load(write(tmp_path / "plain.csv", ROWS)).digest


def test_tsv_and_jsonl_are_read_too(tmp_path: Path) -> None:
    tsv, jsonl = tmp_path / "mail.tsv", tmp_path / "mail.jsonl"
    tsv.write_text("text\tlabel\n" + "".join(f"{t}\t{y}\n" for t, y in ROWS))
    jsonl.write_text("".join(json.dumps({"text": t, "label": y}) + "\n" for t, y in ROWS))
    assert everything(load(tsv)) == everything(load(jsonl)) == set(ROWS)


def test_quoted_texts_keep_commas_quotes_and_line_breaks_and_line_numbers_stay_right(
    tmp_path: Path,
) -> None:
    path = tmp_path / "mail.csv"
    path.write_text(
        'text,label\n"one, ""two""\nthree",ham\n' + "".join(f"{t},{y}\n" for t, y in ROWS)
    )
    data = load(path)
    where = {
        text: id
        for split in (data.train, data.test)
        for text, id in zip(split.inputs, split.ids, strict=True)
    }
    assert where['one, "two"\nthree'] == "mail.csv:3"
    assert where[ROWS[0][0]] == "mail.csv:4"


def test_a_text_longer_than_the_csv_module_allows_by_default_is_read(tmp_path: Path) -> None:
    long = "word " * 40_000
    data = load(write(tmp_path / "mail.csv", [*ROWS, (long, "ham")]))
    assert (long.strip(), "ham") in everything(data)


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_cells_that_look_like_something_else_stay_text(tmp_path: Path, suffix: str) -> None:
    cells = ["007", "1e3", "NA", "null", "True", "1.50", "None", "2024-01-02", "nan", "-0"]
    path = tmp_path / f"odd.{suffix}"
    rows = [(cell, label) for cell, label in zip(cells, "abababaabb", strict=True)]
    if suffix == "csv":
        write(path, rows)
    else:
        path.write_text("".join(json.dumps({"text": t, "label": y}) + "\n" for t, y in rows))
    assert everything(load(path)) == set(rows)


def test_a_json_row_that_lacks_a_column_has_it_empty(tmp_path: Path) -> None:
    path = tmp_path / "mail.jsonl"
    rows = [json.dumps({"text": t, "label": y}) for t, y in ROWS]
    path.write_text("\n".join([*rows, '{"label": "ham"}', '{"text": "x", "label": null}']))
    data = load(path)
    assert everything(data) == set(ROWS)
    assert finding(data, "empty_rows").count == 2
    path.write_text("\n".join(['{"label": "ham"}', *rows]))
    assert "has no column 'text'" in error_of(lambda: load(path))


def test_the_ending_may_be_in_capitals(tmp_path: Path) -> None:
    path = tmp_path / "MAIL.TSV"
    path.write_text("text\tlabel\n" + "".join(f"{t}\t{y}\n" for t, y in ROWS))
    assert everything(load(path)) == set(ROWS)


def test_numbers_in_json_stay_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "n.jsonl"
    path.write_text("".join(f'{{"text": {i}.50, "label": {i % 2}}}\n' for i in range(10)))
    assert ("3.50", "1") in everything(load(path))


def test_rows_without_text_or_label_are_left_out_and_counted(tmp_path: Path) -> None:
    data = load(
        write(
            tmp_path / "mail.csv",
            [*ROWS, ("", "ham"), ("  ", "spam"), ("some text", ""), ("short",)],
        )
    )
    assert everything(data) == set(ROWS)
    found = finding(data, "empty_rows")
    assert (found.count, found.level) == (4, "warning")
    assert "4 of 24 rows" in found.text


def test_a_missing_column_is_answered_with_the_columns_there_are(tmp_path: Path) -> None:
    path = write(tmp_path / "mail.csv", ROWS, header="Texts,class")
    assert error_of(lambda: load(path)) == (
        f"{path} has no column 'text'. Did you mean 'Texts'? Columns: Texts, class. Name one with --text-column."
    )
    message = error_of(lambda: load(path, text_column="Texts"))
    assert "no column 'label'" in message
    assert message.endswith("Name one with --label-column.")
    assert everything(load(path, text_column="Texts", label_column="class")) == set(ROWS)
    assert "--group-column" in error_of(
        lambda: load(path, text_column="Texts", label_column="class", group_column="who")
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf\n", "is empty"),
        (b"text,label\n", "holds no rows"),
        (b"text,label\n,\n,ham\n", "only rows without a text or a label"),
        (b"text,label\nfine,ham\ncaf\xe9,ham\n", "not UTF-8: byte 0xe9 at offset 23 (line 3)"),
        (b"text,label\na,b,c,ham\n", "line 2: 4 cells, but the header names 2"),
        (b'text,label\n"never closed,ham\n', "line 2: unexpected end of data"),
        (b"text,label\na,ham\nb,ham\nc,ham\n", "all 3 rows have the label 'ham'"),
        (b"text,label\na,x\nb,y\nc,z\n", "each of the 3 rows has a label of its own"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(
    tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "mail.csv"
    path.write_bytes(content)
    assert said in error_of(lambda: load(path))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{oops", "line 2: not JSON"),
        ("[1, 2]", "line 2: not an object"),
    ],
)
def test_bad_json_lines_are_named(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "mail.jsonl"
    path.write_text('{"text": "a", "label": "x"}\n' + line + "\n")
    assert said in error_of(lambda: load(path))


def test_numeric_labels_need_names_for_prompting(tmp_path: Path) -> None:
    rows = [(text, "1" if label == "spam" else "0") for text, label in ROWS]
    path = write(tmp_path / "mail.csv", rows)
    data = load(path)
    assert not data.named_labels
    assert "prompting needs --label-names" in finding(data, "numeric_labels").text
    named = load(path, label_names=("ham", "spam"))
    assert named.named_labels
    assert everything(named) == set(ROWS)
    assert "0 = ham, 1 = spam" in finding(named, "label_names").text
    assert "numeric_labels" not in {found.code for found in named.findings}


def test_numeric_labels_are_ordered_by_value(tmp_path: Path) -> None:
    rows = [(f"text {i} {k}", str(k)) for i in range(4) for k in (10, 2, 1)]
    assert load(write(tmp_path / "n.csv", rows)).label_names == ("1", "2", "10")


def test_label_names_that_are_the_labels_only_order_them(tmp_path: Path) -> None:
    data = load(write(tmp_path / "mail.csv", ROWS), label_names=("spam", "ham"))
    assert data.label_names == ("spam", "ham")
    assert everything(data) == set(ROWS)


@pytest.mark.parametrize("names", [("a",), ("a", "b", "c"), ("a", "a"), ("a", "")])
def test_label_names_must_fit_the_labels(tmp_path: Path, names: tuple[str, ...]) -> None:
    path = write(tmp_path / "mail.csv", ROWS)
    message = error_of(lambda: load(path, label_names=names))
    assert f"gives {len(names)} names" in message
    assert "2 labels (ham, spam)" in message


def test_given_test_and_shifted_sets(tmp_path: Path) -> None:
    train = write(tmp_path / "mail.csv", ROWS)
    test = write(tmp_path / "t.csv", [("fresh one", "ham"), ("fresh two", "spam")])
    ood = write(tmp_path / "o.csv", [("other style", "spam"), ("of a third kind", "phishing")])
    data = load(train, test_data=str(test), ood_data=str(ood))
    assert data.test.inputs == ("fresh one", "fresh two")
    assert len(data.train) == len(ROWS)
    assert data.ood is not None
    assert data.ood.inputs == ("other style",)
    assert finding(data, "ood_labels").count == 1


def test_labels_unknown_to_training_are_an_error_in_the_test_set(tmp_path: Path) -> None:
    train = write(tmp_path / "mail.csv", ROWS)
    odd = write(tmp_path / "t.csv", [("fresh one", "Ham"), ("fresh two", "spam")])
    assert "labels that no training row has: Ham" in error_of(
        lambda: load(train, test_data=str(odd))
    )
    strange = write(tmp_path / "o.csv", [("x", "red"), ("y", "blue")])
    assert "no row of --ood-data" in error_of(lambda: load(train, ood_data=str(strange)))


@pytest.mark.parametrize("flag", ["test_data", "ood_data"])
def test_extra_data_must_exist_and_be_a_table(tmp_path: Path, flag: str) -> None:
    train = write(tmp_path / "mail.csv", ROWS)
    assert "no such file or folder" in error_of(
        lambda: load(train, **{flag: str(tmp_path / "none.csv")})
    )
    (tmp_path / "x.xlsx").write_bytes(b"x")
    assert "must be a CSV, TSV or JSONL file" in error_of(
        lambda: load(train, **{flag: str(tmp_path / "x.xlsx")})
    )


def test_a_folder_of_tables_is_read_with_its_parts(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", ROWS)
    write(tmp_path / "dev.csv", [("a validation row", "ham")])
    write(tmp_path / "test.csv", [("a test row", "spam"), ("another test row", "ham")])
    data = load(tmp_path)
    assert len(data.train) == len(ROWS) + 1
    assert data.test.inputs == ("a test row", "another test row")
    assert finding(data, "validation_part").count == 1


def test_groups_are_kept_and_never_on_both_sides(tmp_path: Path) -> None:
    rows = [
        (f"text {i}", "ham" if i % 2 else "spam", f"author {i // 4}" if i < 36 else "")
        for i in range(40)
    ]
    data = load(write(tmp_path / "g.csv", rows, header="text,label,author"), group_column="author")
    assert data.train.groups is not None
    assert data.test.groups is not None
    assert not set(data.train.groups) & set(data.test.groups)
    assert "g.csv:41" in {*data.train.groups, *data.test.groups}  # a row without a group is its own


def test_the_held_out_part_depends_on_the_seed_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "mail.csv", ROWS)
    assert load(path).test.ids == load(path).test.ids
    assert len({load(path, seed=seed).test.ids for seed in range(5)}) > 1

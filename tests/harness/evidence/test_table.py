from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.errors import DataError
from harness.evidence.table import read_rows, write_rows
from tests.harness.evidence.toys import rows, toy


@settings(max_examples=40)
@given(st.lists(rows(), max_size=4))
def test_rows_come_back_from_csv_as_they_were(some) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.csv"
        assert write_rows(some, file) == len(some)
        again = read_rows(file)
        assert sorted(map(repr, again)) == sorted(map(repr, some))


@settings(max_examples=40)
@given(
    st.lists(rows(), max_size=4).flatmap(
        lambda some: st.tuples(st.just(some), st.permutations(some))
    )
)
def test_the_order_of_rows_does_not_change_the_file(pair) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("a.csv", "b.csv")]
        for some, file in zip(pair, files, strict=True):
            write_rows(some, file)
        assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("value", "values"), "{file} lacks the columns value. The columns of evidence are listed in docs/evidence.md."),
        (("place", "where"), "{file} has the unknown columns 'where'. The columns of evidence are listed in docs/evidence.md."),
        ((",0.8,", ",high,"), "{file} line 2: value must be a number; got 'high'."),
        ((",0.8,", ",nan,"), "{file} line 2: value must be a number; got 'nan'."),
        ((",0.8,", ",,"), "{file} line 2: value must be a number; got ''."),
        ((",100,", ",many,"), "{file} line 2: n_train must be a whole number; got 'many'."),
        (("toy-base,", ","), "{file} line 2: model is empty."),
        (("toy_paper,", "toy_paper,x,"), "{file} line 2: another number of cells than the header has."),
    ],
)  # fmt: skip
def test_a_file_that_is_no_evidence_is_told_in_one_line(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    file = tmp_path / "rows.csv"
    write_rows([toy()], file)
    text = file.read_text(encoding="utf-8")
    assert change[0] in text
    file.write_text(text.replace(*change, 1), encoding="utf-8")
    with pytest.raises(DataError) as error:
        read_rows(file)
    assert str(error.value) == message.format(file=file)

"""Reading text and images without labels."""

from __future__ import annotations

from pathlib import Path

import pytest

from advisor.errors import DataError, UnknownName
from harness.pretrain.corpus import HELD_OUT, read_images, read_texts
from tests.harness.pretrain.corpora import write_images, write_text


def texts(*names: Path, column: str = "text") -> list[tuple[str, ...]]:
    corpus = read_texts([str(name) for name in names], column)
    return [*corpus.train, *corpus.held_out]


def test_blank_lines_and_wikitexts_titles_separate_documents(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text(
        " = One = \n A well @-@ known 1 @,@ 000 . \n = = Part = = \n More . \n = Two = \nEnd .\n"
    )
    assert texts(file) == [
        ("= One =", "A well-known 1,000 .", "= = Part = =", "More ."),
        ("= Two =", "End ."),
    ]
    file.write_text("a\nb\n\n\nc\n")
    assert texts(file) == [("a", "b"), ("c",)]


def test_rows_of_tables_are_documents_of_the_column_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text('source,target\nHello.,"Hola.\nSí."\nBye.,\n')
    assert texts(tmp_path, column="target") == [("Hola.", "Sí.")]
    with pytest.raises(UnknownName, match="Did you mean 'target'"):
        texts(tmp_path, column="targets")


def test_folders_give_their_text_files_and_sources_their_digest(tmp_path: Path) -> None:
    write_text(tmp_path / "x.txt", documents=3)
    (tmp_path / "README.md").write_text("not text to learn from")
    (tmp_path / ".hidden.txt").write_text("hidden")
    corpus = read_texts([str(tmp_path)], "text")
    assert corpus.sources[0].documents == 3
    assert corpus.sources[0].name == tmp_path.name
    again = read_texts([str(tmp_path / "x.txt")], "text").sources[0]
    assert again.digest == corpus.sources[0].digest
    (tmp_path / "x.txt").write_text("changed")
    assert read_texts([str(tmp_path)], "text").sources[0].digest != again.digest


def test_every_twentieth_document_is_held_out_of_few_the_last_lines(tmp_path: Path) -> None:
    corpus = read_texts([str(write_text(tmp_path / "many.txt", documents=45))], "text")
    assert (len(corpus.train), len(corpus.held_out)) == (43, 45 // HELD_OUT)
    assert not set(corpus.train) & set(corpus.held_out)
    lines = [f"line {number}" for number in range(100)]
    (tmp_path / "one.txt").write_text("\n".join(lines))
    corpus = read_texts([str(tmp_path / "one.txt")], "text")
    assert corpus.train == [tuple(lines[:95])]
    assert corpus.held_out == [tuple(lines[95:])]


def test_images_are_found_at_any_depth_and_broken_ones_left_out(tmp_path: Path) -> None:
    write_images(tmp_path, count=40)
    (tmp_path / "broken.png").write_bytes(b"no image")
    corpus = read_images([str(tmp_path)])
    assert (len(corpus.train), len(corpus.held_out)) == (38, 2)


def test_text_and_images_are_not_mixed_up(tmp_path: Path) -> None:
    write_images(tmp_path / "images", count=2)
    write_text(tmp_path / "a.txt")
    with pytest.raises(DataError, match="no text; use --objective masked_autoencoder"):
        texts(tmp_path / "images")
    with pytest.raises(DataError, match="text and no images; use an objective for text"):
        read_images([str(tmp_path / "a.txt")])
    with pytest.raises(DataError, match="holds images; use --objective masked_autoencoder"):
        read_texts(["textile"], "text")
    with pytest.raises(DataError, match="no file or folder"):
        read_texts([str(tmp_path / "absent")], "text")


def test_the_packaged_news_are_one_document_a_file() -> None:
    corpus = read_texts(["bbc-news"], "text")
    assert corpus.sources[0].documents == 2225
    assert len(corpus.train[0]) > 1

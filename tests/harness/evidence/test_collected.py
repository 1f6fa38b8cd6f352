from __future__ import annotations

from pathlib import Path

import pytest

from advisor.errors import DataError, UnknownName
from harness.evidence.add import read
from harness.evidence.collected import COLLECTED, is_collected, read_collected
from harness.evidence.table import write_rows
from tests.harness.evidence.toys import toy

CELLS = {
    "source_id": "toy_paper", "paper": "Toys", "year": "2026", "table": "Table 1", "url_or_repo_path": "https://example.org",
    "model": "toy-base", "model_family": "encoder", "params": "1000", "pretraining": "MLM+NSP", "modality": "text",
    "task_type": "nli", "dataset": "MNLI", "n_train": "400", "n_classes": "3", "domain_shift_note": "", "shots_per_class": "",
    "strategy": "full_finetune", "strategy_detail": "all weights", "trainable_params": "1000", "metric": "accuracy",
    "value": "81.5", "higher_is_better": "1", "note": "mean of five runs; sd 0.4",
}  # fmt: skip


def collected(folder: Path, **given: str) -> Path:
    file = folder / "table.csv"
    cells = {**CELLS, **given}
    file.write_text(
        ",".join(COLLECTED) + "\n" + ",".join(f'"{cells[name]}"' for name in COLLECTED) + "\n"
    )
    return file


def test_words_become_ids_and_per_cent_becomes_a_fraction(tmp_path: Path) -> None:
    (row,) = read_collected(collected(tmp_path))
    assert (row.task, row.metric, row.value, row.spread, row.spread_kind, row.seeds) == (
        "pair_classification", "accuracy", 0.815, 0.004, "sd", 5,
    )  # fmt: skip
    assert (row.objective, row.corpus) == ("masked_tokens_next_sentence", "books_wikipedia")
    assert (row.paper, row.year, row.place) == ("Toys", 2026, "Table 1")


@pytest.mark.parametrize(
    ("given", "column", "value"),
    [
        ({"strategy": "hard_prompt_zero_shot"}, "strategy", "hard_prompt"),
        ({"strategy": "bitfit"}, "strategy", "other_bitfit"),
        ({"strategy": "linear_probe", "note": "[FROZEN+NONLINEAR-HEAD]"}, "strategy", "other_nonlinear_head"),
        ({"strategy": "lp_ft", "strategy_detail": "LP-LoRA: probe, then LoRA"}, "strategy", "other_lp_lora"),
        ({"note": "[UNCONFIRMED-STRATEGY] x"}, "tags", ("unconfirmed_strategy",)),
        ({"note": "[CROSS-MODEL] x"}, "tags", ("cross_model",)),
        ({"note": "[ZEROTH-ORDER] x"}, "tags", ("zeroth_order",)),
        ({"note": "[HEAD-VS-PROMPT] x"}, "tags", ("head_vs_prompt",)),
        ({"note": "[SECONDARY] [DOUBT]"}, "tags", ("doubt", "secondary")),
        ({"note": "[DERIVED]"}, "tags", ("derived",)),
        ({"note": "best by test accuracy"}, "tags", ("test_selected",)),
        ({"metric": "average_score"}, "tags", ("mean_over_data",)),
        ({"metric": "validation_error_rate", "higher_is_better": "0"}, "higher_is_better", False),
        ({"metric": "RMSE", "value": "1766.8"}, "value", 1766.8),
        ({"metric": "BLEU (unseen categories)", "dataset": "WebNLG"}, "data", "WebNLG (unseen categories)"),
        ({"note": "n_train is the training part of a 4:1 train/val split"}, "n_validation", 100),
        ({"note": "1000 extra dev examples used for checkpoint choice"}, "n_validation", 1000),
        ({"task_type": "image classification, out-of-distribution test"}, "split", "ood"),
        ({"source_id": "snell_tables"}, "source_group", "vtab_1k_baselines"),
        ({"source_id": "han2024_vpt_or_ft", "dataset": "VTAB-1k Pets"}, "source_group", "vtab_1k_baselines"),
        ({"source_id": "han2024_vpt_or_ft", "dataset": "VTAB Pets"}, "source_group", "han2024_vpt_or_ft"),
    ],
)  # fmt: skip
def test_what_a_row_says_of_itself_is_kept(given: dict[str, str], column: str, value: object, tmp_path: Path) -> None:  # fmt: skip
    (row,) = read_collected(collected(tmp_path, **given))
    assert getattr(row, column) == value


def test_no_prose_of_a_note_is_kept(tmp_path: Path) -> None:
    (row,) = read_collected(collected(tmp_path, note="[DOUBT] a remark of somebody"))
    assert "remark" not in repr(row)


def test_unknown_words_and_bad_numbers_are_told(tmp_path: Path) -> None:
    for column in ("task_type", "metric", "pretraining"):
        with pytest.raises(UnknownName, match="magic"):
            read_collected(collected(tmp_path, **{column: "magic"}))
    with pytest.raises(DataError, match="line 2"):
        read_collected(collected(tmp_path, value="high"))


def test_the_form_of_a_file_is_seen_from_its_header(tmp_path: Path) -> None:
    assert is_collected(collected(tmp_path))
    assert len(read(collected(tmp_path))) == 1
    write_rows([toy()], tmp_path / "rows.csv")
    assert not is_collected(tmp_path / "rows.csv")

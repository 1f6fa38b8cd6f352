"""Collected tables of published numbers, one line a cell, brought into the schema.

Such a table has the columns of `COLLECTED`: the words of the sources for tasks, metrics and
strategies, scores as they are printed (mostly per cent) and a note that begins with tags.
Only facts are taken over: numbers, names and places; of a note its tags and counts.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

from advisor.errors import DataError, UnknownName
from harness.evidence.metrics import METRICS
from harness.evidence.schema import Row
from harness.evidence.table import read_table
from harness.shipped import shipped

COLLECTED = (
    "source_id", "paper", "year", "table", "url_or_repo_path", "model", "model_family", "params", "pretraining",
    "modality", "task_type", "dataset", "n_train", "n_classes", "domain_shift_note", "shots_per_class", "strategy",
    "strategy_detail", "trainable_params", "metric", "value", "higher_is_better", "note",
)  # fmt: skip
PRETRAINING = ("pretraining", "objective", "corpus")

TASKS = {
    "acceptability": "classification", "classification": "classification", "coreference": "classification",
    "intent_classification": "classification", "multilabel_classification": "classification",
    "nlu_suite": "classification", "relation_extraction": "classification", "sentiment": "classification",
    "topic_classification": "classification", "video action recognition": "classification",
    "nli": "pair_classification", "paraphrase": "pair_classification", "word_sense": "pair_classification",
    "commonsense_choice": "qa", "extractive_qa": "qa", "open_qa": "qa", "qa": "qa", "qa_choice": "qa",
    "qa_yes_no": "qa", "reading_comprehension": "qa",
    "code_generation": "generation", "data_to_text": "generation", "instruction_following": "generation",
    "math_reasoning": "generation", "summarization": "generation", "text_simplification": "generation",
    "text_to_sql": "generation", "translation": "translation", "ner": "token_labelling",
    "instance segmentation": "localization", "object detection": "localization",
    "semantic segmentation": "localization", "similarity_regression": "regression",
}  # fmt: skip
_TASK_STARTS = {
    "image classification": "classification",
    "classification (": "classification",
    "change detection": "localization",
    "segmentation (": "localization",
    "regression (": "regression",
}
_METRICS = {
    "accuracy": "accuracy", "accuracy %": "accuracy", "accuracy_matched": "accuracy", "average_accuracy": "accuracy",
    "oa %": "accuracy", "top-1 accuracy %": "accuracy", "top-1 accuracy %, mean of 11 datasets": "accuracy",
    "top-1 accuracy %, mean over tasks": "accuracy", "average_score": "mean_score", "ap box %": "ap_box",
    "ap mask %": "ap_mask", "auroc %": "auroc", "bleu (seen categories)": "bleu", "bleu (unseen categories)": "bleu",
    "dev_f1": "f1", "f1_macro": "macro_f1", "macro f1 %": "macro_f1", "map %": "map", "miou %": "miou",
    "rouge-1": "rouge_1", "rouge-2": "rouge_2", "rouge-l": "rouge_l", "validation_error_rate": "error_rate",
}  # fmt: skip
STRATEGIES = {
    "hard_prompt_zero_shot": "hard_prompt", "hard_prompt_few_shot": "hard_prompt", "adapter": "other_adapter",
    "bitfit": "other_bitfit", "partial_finetune": "other_partial_finetune", "other_peft": "other_peft",
}  # fmt: skip
_TAGS = {
    "[UNCONFIRMED-STRATEGY]": "unconfirmed_strategy", "[CROSS-MODEL]": "cross_model", "[DOUBT]": "doubt",
    "[SECONDARY]": "secondary", "[DERIVED]": "derived", "[HEAD-VS-PROMPT]": "head_vs_prompt",
    "[ZEROTH-ORDER]": "zeroth_order", "[FROZEN+NONLINEAR-HEAD]": "nonlinear_head",
}  # fmt: skip
_MIXED = "the zero-shot classifier is mixed in"
# What else the words of a row say about how far it can be trusted: (column, words, tag).
_CAUTIONS = (
    ("note", "also uses unlabelled data", "extra_data"),
    ("strategy_detail", "also uses unlabelled data", "extra_data"),
    ("strategy_detail", "(oracle)", "oracle"),
    ("strategy_detail", "quoted in the README", "prior_work"),
    ("note", "from prior work", "prior_work"),
    ("note", "baselines cited by the authors from VPT/SPT", "shared_baseline"),
    ("note", "printed by the Tip-Adapter authors from the original papers", "prior_work"),
    ("note", "is from Brown et al.", "prior_work"),
    ("note", "by test accuracy", "test_selected"),
    ("note", "trained once on the pooled", "pooled_training"),
    ("note", "started from the MNLI-adapted checkpoint", "intermediate_task"),
    ("note", "T5+LM is the model T0 was built from", "cross_model"),
    ("note", "differs from the mean of the", "doubt"),
    ("note", "metric stated ambiguously", "doubt"),
    ("note", '"without" arm may still', "doubt"),
    ("note", "little hyper-parameter search", "little_search"),
    ("note", _MIXED, "text_in_probe"),
    ("strategy_detail", "gradient-free", "zeroth_order"),
    ("strategy_detail", "frozen backbone, trained detection/segmentation head", "dense_head"),
    ("strategy_detail", "9x schedule", "unequal_schedule"),
    ("strategy_detail", "chat for prompting", "cross_model"),
    ("metric", "mean o", "mean_over_data"),
    ("metric", "average_", "mean_over_data"),
)  # fmt: skip
# Of the rows whose note says that these agree with an earlier paper's.
_COPIED = ("full_finetune", "linear_probe", "soft_prompt", "bitfit")
_VTAB_BASELINES = "vtab_1k_baselines"
_GROUPS = {
    "vpetl_bench": _VTAB_BASELINES, "snell_tables": _VTAB_BASELINES, "rlrr_vit_l_h": _VTAB_BASELINES,
    "tip_adapter": "clip_few_shot", "gda_clip": "clip_few_shot",
}  # fmt: skip
_NUMBERS = {"two": 2, "three": 3, "five": 5}
_SEEDS = re.compile(
    r"(?:mean|median) of (\d+|two|three|five) (?:distinct )?(?:seeds|runs|restarts)"
)
_VALIDATION = re.compile(r"(\d+) extra dev examples")


def is_collected(file: Path) -> bool:
    """Whether a file is such a table."""
    with file.open(encoding="utf-8", newline="") as stream:
        return tuple(next(csv.reader(stream), ())) == COLLECTED


def read_collected(file: Path) -> list[Row]:
    """Its rows in the schema.

    Raises:
        DataError: If a cell cannot be read.
        UnknownName: If a word is not translated here or in `pretraining.csv`.
    """
    pretrainings = {
        one["pretraining"]: (one["objective"], one["corpus"])
        for one in read_table(shipped("evidence") / "pretraining.csv", PRETRAINING)
    }
    with file.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        rows = []
        for cells in reader:
            try:
                rows.append(_row(cells, pretrainings))
            except ValueError as error:
                raise DataError(f"{file} line {reader.line_num}: {error}.") from None
    return rows


def _row(cells: dict[str, str], pretrainings: dict[str, tuple[str, str]]) -> Row:
    if cells["pretraining"] not in pretrainings:
        raise UnknownName("pretraining", cells["pretraining"], pretrainings)
    objective, corpus = pretrainings[cells["pretraining"]]
    metric = _metric(cells["metric"])
    bounded = METRICS[metric].high is not None
    note = cells["note"]
    spread, kind = _spread(note)
    scale = 100.0 if bounded else 1.0
    return Row(
        source=cells["source_id"],
        source_group=_group(cells),
        place=_place(cells),
        protocol="published",
        model=cells["model"],
        family=cells["model_family"],
        params=_whole(cells["params"]),
        pretraining=cells["pretraining"],
        objective=objective,
        corpus=corpus,
        modality=cells["modality"],
        task=_task(cells["task_type"]),
        data=_data(cells),
        split="ood" if _is_elsewhere(cells) else "test",
        n_train=_whole(cells["n_train"]),
        n_validation=_validation(cells),
        shots_per_class=_whole(cells["shots_per_class"]),
        classes=_whole(cells["n_classes"]) if cells["n_classes"] != "1" else None,
        strategy=_strategy(cells),
        variant=_variant(cells["strategy_detail"]),
        trained_parameters=_whole(cells["trainable_params"]),
        metric=metric,
        value=round(float(cells["value"]) / scale, 8),
        higher_is_better=METRICS[metric].higher_is_better,
        seeds=_seeds(note),
        spread=None if spread is None else round(spread / scale, 8),
        spread_kind=kind,
        tags=_tags(cells),
        paper=cells["paper"],
        year=_whole(cells["year"]),
        url=cells["url_or_repo_path"],
    )  # fmt: skip


def _is_elsewhere(cells: dict[str, str]) -> bool:
    """Whether the test set is from another distribution than the labels: "MRPC -> QQP"."""
    return "out-of-distribution" in cells["task_type"] or any(
        words in cells["dataset"] for words in ("(OOD)", " -> ", "(train on ")
    )


def _task(words: str) -> str:
    if words in TASKS:
        return TASKS[words]
    for start, task in _TASK_STARTS.items():
        if words.startswith(start):
            return task
    raise UnknownName("kind of task", words, TASKS)


def _metric(words: str) -> str:
    metric = _METRICS.get(words.lower(), words.lower())
    if metric not in METRICS:
        raise UnknownName("metric", words, (*_METRICS, *METRICS))
    return metric


def _strategy(cells: dict[str, str]) -> str:
    if "[FROZEN+NONLINEAR-HEAD]" in cells["note"] and cells["strategy"] == "linear_probe":
        return "other_nonlinear_head"
    if _MIXED in cells["note"]:
        return "other_text_in_probe"
    if cells["strategy_detail"].startswith("LP-LoRA"):
        return "other_lp_lora"
    return STRATEGIES.get(cells["strategy"], cells["strategy"])


def _variant(detail: str) -> str:
    """The name of the variant without remarks on it."""
    return re.split(r"; | \(not a bare|, ensembled with", detail)[0].strip()


def _data(cells: dict[str, str]) -> str:
    """WebNLG has two test sets; the metric names them."""
    found = re.search(r"\((seen|unseen) categories\)", cells["metric"])
    return f"{cells['dataset']} ({found[1]} categories)" if found else cells["dataset"]


def _place(cells: dict[str, str]) -> str:
    """Table, and file where a source has several."""
    file = re.search(r"benchmark_results_\w+\.png|vit-\S+_in1k", cells["url_or_repo_path"])
    return f"{cells['table']}: {file[0]}" if file else cells["table"]


def _group(cells: dict[str, str]) -> str:
    """Han et al. share the full-fine-tuning baselines of VTAB-1k, not their own sweep over n."""
    if cells["source_id"] == "han2024_vpt_or_ft" and cells["dataset"].startswith("VTAB-1k"):
        return _VTAB_BASELINES
    return _GROUPS.get(cells["source_id"], cells["source_id"])


def _tags(cells: dict[str, str]) -> tuple[str, ...]:
    found = {tag for mark, tag in _TAGS.items() if mark in cells["note"]}
    found |= {tag for name, words, tag in _CAUTIONS if words in cells[name]}
    if "agree with the baselines" in cells["note"] and cells["strategy"] in _COPIED:
        found.add("shared_baseline")
    if "mean of" in cells["dataset"] or "(avg)" in cells["dataset"]:
        found.add("mean_over_data")
    return tuple(sorted(found))


def _seeds(note: str) -> int | None:
    found = _SEEDS.search(note)
    return None if found is None else _NUMBERS.get(found[1]) or int(found[1])


def _validation(cells: dict[str, str]) -> int | None:
    """Labels for validation that n_train leaves out, where the note tells them."""
    note, n = cells["note"], _whole(cells["n_train"])
    extra = _VALIDATION.search(note)
    if extra:
        return int(extra[1])
    if "n_train is the training part of a 4:1" in note and n is not None:
        return n // 4
    return n if "plus one for validation" in note else None


def _spread(note: str) -> tuple[float | None, str]:
    for kind in ("IQR", "sd"):
        found = re.search(rf"\b{kind} (\d+(?:\.\d+)?)", note)
        if found:
            return float(found[1]), kind.lower()
    return None, ""


def _whole(text: str) -> int | None:
    return int(float(text)) if text else None

from __future__ import annotations

import re
from itertools import product

import pytest

from advisor import Situation, advise
from advisor.errors import SpecError
from advisor.features import enough_labels, featurize, rising
from advisor.inference import resolve
from advisor.rules import DIRECTIONS, FEASIBILITY, RULES
from advisor.traits import FAMILIES, STRATEGIES, TASKS
from advisor.wording import words_of_situation

# Situations of every family and task, from tiny to huge in each quantity the rules look at.
GRID = [
    {"family": family, "task": task, "params": params, "examples": examples, "shift": shift}
    for family, task, params, examples, shift in product(
        FAMILIES,
        TASKS,
        (10**6, 10**8, 10**10, 10**12),
        (0, 1, 3, 40, 600, 10**4, 10**6, 10**9),
        (0.0, 0.5, 1.0),
    )
]
EXTREMES = (
    {},
    {"robust": True, "tasks_served": 10_000, "requests_per_month": 10**9},
    {"description": False, "classes": 50, "objective": "supervised"},
    {"objective": "contrastive"},
    {"objective": "masked_autoencoder"},
)


def situations():
    for base, extreme in product(GRID, EXTREMES):
        try:
            yield resolve(Situation(**base, **extreme))
        except SpecError:
            continue  # contradictory, such as a conv net that translates


def test_ids_are_unique():
    assert len({rule.id for rule in RULES}) == len(RULES)


def test_every_rule_has_a_sentence_and_a_source():
    for rule in RULES:
        assert re.search(r"[.)]$", rule.says), rule.id
        assert len(rule.source) > 5, rule.id


def test_rules_name_no_strategy():
    for rule in (*FEASIBILITY, *DIRECTIONS):
        constants = rule.about.__code__.co_consts
        test = rule.when if hasattr(rule, "when") else rule.strength
        for value in (*constants, *test.__code__.co_consts):
            assert value not in STRATEGIES, rule.id


@pytest.mark.parametrize("rule", [*FEASIBILITY, *DIRECTIONS], ids=lambda rule: rule.id)
def test_every_rule_is_about_some_strategy(rule):
    assert any(rule.about(traits) for traits in STRATEGIES.values())


def test_every_direction_applies_somewhere_and_none_exceeds_its_points():
    applied = set()
    for situation in situations():
        features = featurize(situation)
        for rule in DIRECTIONS:
            strength = rule.strength(features, situation)
            assert 0 <= strength <= 1, rule.id
            assert (rule.effect(features, situation) * 1024).is_integer(), rule.id
            if strength:
                applied.add(rule.id)
    assert applied == {rule.id for rule in DIRECTIONS}


def test_scores_stay_on_their_scale_without_being_cut():
    for situation in situations():
        features = featurize(situation)
        effects = {rule: rule.effect(features, situation) for rule in DIRECTIONS}
        for traits in STRATEGIES.values():
            total = sum(effect for rule, effect in effects.items() if rule.about(traits))
            assert 0 <= total <= 100, (traits.id, situation)


@pytest.mark.parametrize(
    ("rule", "keys", "strategy"),
    [
        ("no_labels", {"examples": 0}, "linear_probe"),
        ("nothing_to_prompt_with", {"examples": 0, "description": False}, "hard_prompt"),
        ("convnets_cannot_be_prompted", {"family": "convnet"}, "soft_prompt"),
        ("no_masked_head", {"family": "encoder", "objective": "contrastive"}, "hard_prompt"),
        ("not_for_this_family", {"family": "lstm"}, "linear_probe"),
        ("not_for_this_family", {"family": "vit"}, "hard_prompt"),
        ("a_class_without_label", {"examples": 5, "classes": 6}, "full_finetune"),
        ("nothing_left_to_validate", {"examples": 1, "task": "qa"}, "soft_prompt"),
        ("access_to_text_only", {"access": "text"}, "linear_probe"),
        ("access_to_embeddings_only", {"access": "embeddings"}, "soft_prompt"),
        ("data_must_stay", {"privacy": "local", "access": "text"}, "hard_prompt"),
        ("a_head_cannot_write", {"task": "generation"}, "linear_probe"),
        ("no_decoder_to_write_with", {"task": "translation", "family": "encoder"}, "hard_prompt"),
        ("words_are_no_boxes", {"task": "localization", "family": "clip"}, "hard_prompt"),
        ("training_exceeds_memory", {"params": "7B", "gpu_memory": "24GB"}, "full_finetune"),
        ("serving_exceeds_memory", {"params": "70B", "gpu_memory": "24GB"}, "linear_probe"),
        ("local_model_exceeds_memory", {"params": "70B", "gpu_memory": "24GB", "privacy": "local"}, "hard_prompt"),
        ("training_exceeds_hours", {"params": "7B", "examples": "10M", "budget_hours": 0.1}, "full_finetune"),
        ("answers_exceed_latency", {"params": "70B", "latency_ms": 1}, "hard_prompt"),
    ],
)  # fmt: skip
def test_each_obstacle_rules_out(rule, keys, strategy):
    answer = advise({"examples": 100, **keys})
    advice = next(each for each in answer.recommendations if each.strategy == strategy)
    assert not advice.feasible
    reason = next(each for each in advice.reasons if each.rule == rule)
    assert reason.effect is None
    assert "{" not in reason.text


@pytest.mark.parametrize(
    "said", [{"description": "Which animal?"}, {"label_names": ["ant", "bee"]}]
)
def test_names_of_classes_are_enough_for_clip_and_not_for_conv_nets(said):
    asked = {"params": "150M", "task": "classification", "examples": 0, **said}
    feasible = {
        family: [
            one.strategy
            for one in advise(asked | {"family": family}).recommendations
            if one.feasible
        ]
        for family in ("clip", "convnet", "vit")
    }
    assert feasible == {"clip": ["hard_prompt"], "convnet": [], "vit": []}


def test_each_obstacle_is_tested_above():
    (mark,) = [
        mark for mark in test_each_obstacle_rules_out.pytestmark if mark.name == "parametrize"
    ]
    assert {row[0] for row in mark.args[1]} == {rule.id for rule in FEASIBILITY}


def test_every_sentence_finds_its_words():
    strategy_words = dict.fromkeys(
        ("strategy", "access_needed", "fraction", "training_memory", "serving_memory",
         "training_time", "latency"), "…",
    )  # fmt: skip
    words = words_of_situation(resolve(Situation())) | strategy_words
    for rule in RULES:
        assert "{" not in rule.says.format_map(words)


def test_rising_is_a_line_in_the_logarithm():
    assert [rising(x, 10, 1000) for x in (0, 10, 100, 1000, 10**6)] == [0, 0, 0.5, 1, 1]


def test_larger_models_need_more_labels_to_be_tuned_in_full():
    assert enough_labels(1e6) < enough_labels(1e8) == 1200 < enough_labels(1e11)

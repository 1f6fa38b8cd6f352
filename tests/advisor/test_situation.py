from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor import Situation
from advisor.errors import SpecError, UnknownName
from advisor.inference import resolve
from advisor.situation import KEYS

EXAMPLE = {
    "model": "some-model", "params": "175B", "family": "decoder", "objective": "next-token",
    "window": "2k", "positions": "learned", "licence": "apache-2.0", "task": "qa",
    "modality": "text", "classes": 2, "label_names": "ham, spam", "tokens": 37.5,
    "description": "Is this spam?", "target": 0.9, "examples": "100k", "unlabeled": "1M",
    "shift": "high", "access": "weights", "privacy": "local", "gpu_memory": "80GB", "gpus": 8,
    "budget_hours": "90m", "latency_ms": "2s", "requests_per_month": "10k", "tasks_served": 3,
    "robust": "yes", "demonstrations": 32, "candidates": "core",
}  # fmt: skip


def test_the_fields_are_the_keys():
    assert tuple(key.name for key in KEYS) == Situation._fields
    assert set(EXAMPLE) == set(Situation._fields)


def test_every_key_is_explained_once():
    assert len({key.help for key in KEYS}) == len(KEYS)
    for key in KEYS:
        assert key.help.endswith(".")
        assert (key.low is None) == (key.high is None)


def test_every_key_is_read_into_plain_values():
    situation = Situation.from_mapping(EXAMPLE)
    assert situation.params == 175_000_000_000
    assert situation.objective == "next_token"
    assert situation.label_names == ("ham", "spam")
    assert situation.budget_hours == 1.5
    assert situation.latency_ms == 2000
    assert situation.shift == 0.8
    assert situation.robust is True
    assert situation.candidates == ("linear_probe", "full_finetune", "hard_prompt", "soft_prompt")


def test_to_dict_reads_back():
    situation = Situation.from_mapping(EXAMPLE)
    assert Situation.from_mapping(situation.to_dict()) == situation


@given(st.permutations(list(EXAMPLE)))
def test_the_order_of_the_keys_does_not_matter(order):
    assert Situation.from_mapping({key: EXAMPLE[key] for key in order}) == Situation.from_mapping(
        EXAMPLE
    )


def test_hyphens_and_underscores_are_the_same():
    written = {"gpu-memory": "24GB", "family": "encoder-decoder", "candidates": "linear-probe lora"}
    situation = Situation.from_mapping(written)
    assert situation.gpu_memory == 24e9
    assert situation.family == "encoder_decoder"
    assert situation.candidates == ("linear_probe", "lora")


def test_empty_is_unknown():
    assert Situation.from_mapping({"params": "", "examples": None}) == Situation()


def test_the_constructor_checks_as_well():
    with pytest.raises(SpecError, match="shift must be"):
        Situation(shift=7)


def test_it_is_immutable():
    with pytest.raises(AttributeError):
        Situation().params = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("given_values", "message"),
    [
        ({"params": "banana"}, "params must be a number of 0 or more such as 350M, 7e9 or 100k; got 'banana'."),
        ({"params": 0}, "params must be from 1 to 1000T; got '0'."),
        ({"examples": -1}, "examples must be a number of 0 or more such as 350M, 7e9 or 100k; got '-1'."),
        ({"examples": 2.5}, "examples must be a whole number; got '2.5'."),
        ({"examples": float("nan")}, "examples must be a number of 0 or more such as 350M, 7e9 or 100k; got 'nan'."),
        ({"shift": 7}, "shift must be a number in [0, 1], or none, low, medium or high; got '7'."),
        ({"target": 90}, "target must be from 0 to 1; got '90'."),
        ({"classes": 1}, "classes must be from 2 to 10M; got '1'."),
        ({"label_names": "spam"}, "label_names must name at least 2 classes; got 'spam'. Separate names by commas."),
        ({"candidates": []}, "candidates must name at least one; got '[]'."),
        ({"description": 3}, "description must be a text; got '3'."),
        ({"family": "convnet", "task": "qa"}, "family convnet reads images, task qa is about text: both cannot hold. Correct one or leave it out."),
        ({"family": "clip", "task": "translation"}, "family clip compares images with names, task translation is about text: both cannot hold. Correct one or leave it out."),
        ({"family": "encoder", "task": "localization"}, "family encoder reads text, task localization is about images: both cannot hold. Correct one or leave it out."),
        ({"family": "vit", "modality": "text"}, "family vit reads images, modality says text: both cannot hold. Correct one or leave it out."),
        ({"family": "lstm", "modality": "image"}, "family lstm reads text, modality says image: both cannot hold. Correct one or leave it out."),
        ({"task": "qa", "modality": "image"}, "task qa is about text, modality says image: both cannot hold. Correct one or leave it out."),
        ({"task": "localization", "modality": "text"}, "task localization is about images, modality says text: both cannot hold. Correct one or leave it out."),
        ({"family": "convnet", "objective": "next_token"}, "objective next_token trains decoder or lstm, family says convnet: both cannot hold. Correct one or leave it out."),
        ({"label_names": "a,b,c", "classes": 2}, "classes is 2, label_names has 3 names: both cannot hold. Correct one or leave it out."),
        ({"examples": 5, "demonstrations": 10}, "demonstrations is 10, examples only 5: both cannot hold. Correct one or leave it out."),
    ],
)  # fmt: skip
def test_bad_values_are_refused_with_one_clear_sentence(given_values, message):
    with pytest.raises(SpecError) as error:
        Situation.from_mapping(given_values)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("given_values", "start"),
    [
        ({"paramz": 1}, "no key 'paramz'. Did you mean 'params'?"),
        ({"family": "decodr"}, "no family 'decodr'. Did you mean 'decoder' or 'encoder'?"),
        ({"task": "clasification"}, "no task 'clasification'. Did you mean 'classification'"),
        ({"candidates": "lorra"}, "no strategy 'lorra'. Did you mean 'lora'?"),
        ({"access": "none"}, "no access 'none'. "),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(given_values, start):
    with pytest.raises(UnknownName) as error:
        Situation.from_mapping(given_values)
    assert str(error.value).startswith(start)


def test_an_error_says_where_it_was_written():
    with pytest.raises(SpecError, match=r"^row 3 of cases\.csv: shift must be"):
        Situation.from_mapping({"shift": 7}, "row 3 of cases.csv")
    with pytest.raises(UnknownName, match=r"^case\.yaml: no key 'paramz'"):
        Situation.from_mapping({"paramz": 7}, "case.yaml")


def test_a_list_is_no_situation():
    with pytest.raises(SpecError, match=r"a situation is keys with values; got '\[1\]'"):
        Situation.from_mapping([1])  # type: ignore[arg-type]


# What is inferred, and that it is said.


def said(**keys: object) -> str:
    return "\n".join(resolve(Situation.from_mapping(keys)).assumptions)


@pytest.mark.parametrize(
    ("keys", "family"),
    [
        ({"params": "175B"}, "decoder"),
        ({"params": "22M"}, "encoder"),
        ({"params": "220M", "task": "translation"}, "encoder_decoder"),
        ({"params": "5M", "modality": "image"}, "convnet"),
        ({"params": "1B", "task": "localization"}, "vit"),
        ({"description": "Which animal is in the photo?"}, "vit"),
        ({}, "decoder"),
    ],
)
def test_the_family_follows_from_size_task_and_description(keys, family):
    assert resolve(Situation.from_mapping(keys)).family == family
    assert f"Family {family}: usual for" in said(**keys)


@pytest.mark.parametrize(
    ("description", "task"),
    [
        ("Translate English to Spanish", "translation"),
        ("Does the passage entail the hypothesis?", "pair_classification"),
        ("Answer the question from the passage", "qa"),
        ("Summarize the article", "generation"),
        ("Mark every named entity", "token_labelling"),
        ("X-ray fracture localization", "localization"),
        ("Is this mail spam?", "classification"),
    ],
)
def test_the_task_follows_from_the_description(description, task):
    assert resolve(Situation(description=description)).task == task
    assert f"Task {task}" in said(description=description)


def test_a_description_with_classes_asks_for_a_class():
    asked = {"description": "Spam or a question?", "label_names": "spam, question"}
    assert resolve(Situation.from_mapping(asked)).task == "classification"


@pytest.mark.parametrize(
    ("keys", "shift"),
    [
        ({"description": "fractures in X-ray images"}, 0.8),
        ({"description": "which bird species"}, 0.5),
        ({"description": "legal clauses", "params": "110M"}, 0.8),
        ({"description": "legal clauses", "params": "70B"}, 0.5),
        ({"description": "sports or politics"}, 0.25),
        ({"description": "X-ray images", "shift": 0.1}, 0.1),
    ],
)
def test_the_shift_follows_from_the_description_unless_it_is_given(keys, shift):
    assert resolve(Situation.from_mapping(keys)).shift == shift
    assert ("Domain shift" in said(**keys)) == ("shift" not in keys)


def test_hardware_is_assumed_and_said():
    resolved = resolve(Situation(params=7_000_000_000))
    assert (resolved.gpus, resolved.gpu_memory, resolved.memory) == (8, 80e9, 640e9)
    assert "one node of 8 GPUs with 80 GB" in said(params="7B")


def test_hardware_is_unlimited_where_it_is_not_to_be_assumed():
    resolved = resolve(Situation(params=7_000_000_000), assume_hardware=False)
    assert resolved.memory is None
    assert not any("Hardware" in each for each in resolved.assumptions)


@pytest.mark.parametrize(
    ("keys", "memory", "sentence"),
    [
        ({"gpu_memory": "24GB"}, 24e9, "1 assumed"),
        ({"gpu_memory": "24GB", "gpus": 2}, 48e9, None),
        ({"gpus": 4}, 320e9, "80 GB assumed"),
        ({"gpus": 0}, 64e9, "64 GB of main memory assumed"),
        ({"gpus": 0, "gpu_memory": "16GB"}, 16e9, None),
    ],
)
def test_stated_hardware_is_completed(keys, memory, sentence):
    assert resolve(Situation.from_mapping(keys)).memory == memory
    assert sentence is None or sentence in said(**keys)


def test_a_model_by_name_brings_its_facts_along():
    resolved = resolve(Situation(model="minilm"))
    assert (resolved.family, resolved.modality, resolved.objective) == (
        "encoder",
        "text",
        "contrastive",
    )
    assert resolved.params == 22_713_216
    assert "Model minilm: params 22.7M, family encoder" in said(model="minilm")


@pytest.mark.parametrize(
    ("objective", "family", "modality"),
    [
        ("masked_autoencoder", "vit", "image"),
        ("span_corruption", "encoder_decoder", "text"),
        ("masked_tokens", "encoder", "text"),
        ("next_token", "decoder", "text"),
        ("denoising_autoencoder", "encoder_decoder", "text"),
    ],
)
def test_an_objective_tells_family_and_modality(objective, family, modality):
    resolved = resolve(Situation(objective=objective))
    assert (resolved.family, resolved.modality) == (family, modality)
    assert f"Family {family}: objective {objective}." in said(objective=objective)


def test_what_was_said_wins_over_the_catalogue():
    assert resolve(Situation(model="minilm", window=128)).window == 128


def test_a_model_whose_facts_contradict_the_task_is_refused():
    with pytest.raises(SpecError, match="family convnet reads images, task qa is about text"):
        resolve(Situation(model="resnet50", task="qa"))


def test_an_unknown_model_is_said_to_be_unknown():
    assert "Model my-own: not in the catalogue" in said(model="my-own")


def test_what_is_in_force_reads_back_and_then_leaves_nothing_to_infer():
    resolved = resolve(Situation(params=175_000_000_000, examples=100_000))
    again = resolve(Situation.from_mapping(resolved.to_dict()))
    assert again.to_dict() == resolved.to_dict()
    assert all(each.startswith("Nothing said otherwise") for each in again.assumptions)

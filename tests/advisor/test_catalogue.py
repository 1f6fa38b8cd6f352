"""What the catalogue says must be readable, consistent with itself and with the situation keys."""

import pytest

from advisor import catalogue
from advisor.errors import SpecError
from advisor.inference import resolve
from advisor.situation import KEYS, Situation

MODELS = catalogue.models()
KEY = {key.name: key for key in KEYS}


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("minilm", "all-minilm-l6-v2"),
        ("sentence-transformers/all-MiniLM-L6-v2", "all-minilm-l6-v2"),
        ("google/gemma-3-270m-it", "gemma-3-270m"),
        ("Gemma 3 270M", "gemma-3-270m"),
        ("tf_efficientnet_lite0", "efficientnet-lite0"),
        ("timm:resnet50.a1_in1k", "resnet50"),
        ("timm/vit_base_patch16_224.mae", "mae-vit-base"),
        ("meta-llama/Llama-2-7b-hf", "llama-2-7b"),
        ("Qwen/Qwen2.5-7B-Instruct", "qwen2.5-7b"),
        ("GPT-3", "gpt-3"),
        ("./models/bert-base-uncased/", "bert-base-uncased"),
    ],
)
def test_a_model_is_found_however_people_write_it(written: str, name: str) -> None:
    found = catalogue.find_model(written)
    assert found is not None
    assert found["name"] == name


@pytest.mark.parametrize("written", ["my-own-model", "llama-3.1-9b", "", "/", "7B", "gpt-5"])
def test_an_unknown_model_is_not_taken_for_another(written: str) -> None:
    assert catalogue.find_model(written) is None


def test_no_name_means_two_models() -> None:
    names = [name for row in MODELS for name in (row["name"], *row.get("aliases", ()))]
    plain = ["".join(letter for letter in name.lower() if letter.isalnum()) for name in names]
    assert len(set(plain)) == len(plain)
    for row in MODELS:
        assert catalogue.find_model(str(row["name"])) is row


@pytest.mark.parametrize("row", MODELS, ids=lambda row: str(row["name"]))
def test_what_is_known_of_a_model_is_a_valid_situation(row: dict[str, object]) -> None:
    stated = {name: row[name] for name in KEY if row.get(name) is not None}
    Situation.from_mapping(stated)
    resolved = resolve(Situation(model=str(row["name"])))
    assert resolved.params == row["params"]
    assert resolved.family == row["family"]
    assert row["width"] > 0
    assert row["layers"] > 0


@pytest.mark.parametrize(
    "row",
    [
        row
        for row in MODELS
        if row["family"] in ("encoder", "decoder", "vit") and row["params"] > 1e7
    ],
    ids=lambda row: str(row["name"]),
)
def test_size_agrees_with_width_and_layers(row: dict[str, float]) -> None:
    """Kaplan et al. 2020, eq. 2.1: N = 12 layers width^2 besides the embeddings; gated or grouped
    layers differ, but hardly by more than half."""
    embeddings = row.get("vocabulary", 0) * row["width"]
    body = 12 * row["layers"] * row["width"] ** 2
    assert 0.5 * body < row["params"] - embeddings < 2.2 * body + embeddings


def test_packaged_models_are_known() -> None:
    facts = {
        name: catalogue.find_model(name)
        for name in ("minilm", "gemma-3-270m", "efficientnet-lite0")
    }
    assert [row["params"] for row in facts.values() if row] == [22_713_216, 268_098_176, 4_652_008]
    assert facts["gemma-3-270m"]["vocabulary"] == 262_144
    assert facts["efficientnet-lite0"]["gmacs"] == 0.407


def test_every_price_says_when_and_where_it_was_read() -> None:
    for row in catalogue.accelerators():
        assert ("usd_per_hour" in row) == ("price_date" in row) == ("price_note" in row), row[
            "name"
        ]
    for row in catalogue.api_prices():
        assert row["date"], row["name"]
        assert "list price" in str(row["note"]), row["name"]


def test_usual_devices_form_a_ladder() -> None:
    """More memory must never mean a slower device (`costs.hardware.usual_node`)."""
    ladder = sorted(
        (row for row in catalogue.accelerators() if row.get("typical")),
        key=lambda row: row["memory_bytes"],
    )
    for quantity in ("memory_bytes", "flops_per_second", "bandwidth"):
        values = [row[quantity] for row in ladder]
        assert values == sorted(values), quantity


def test_a_family_that_the_named_model_is_not_of_is_refused() -> None:
    with pytest.raises(SpecError) as error:
        resolve(Situation(model="minilm", family="clip"))
    assert str(error.value) == (
        "model minilm is of family encoder, family says clip: both cannot hold. Correct one or leave it out."
    )

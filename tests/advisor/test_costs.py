"""Laws of the cost model, and its formulas against hand-made and published numbers."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.costs import Costs, Hardware, Shape, Workload, break_even, estimate
from advisor.costs.shape import shape_of
from advisor.inference import resolve
from advisor.situation import Situation
from advisor.traits import FAMILIES, STRATEGIES

IDS = st.sampled_from(tuple(STRATEGIES))
FAMILY = st.sampled_from(FAMILIES)
TASK_OF = {"convnet": "classification", "vit": "localization", "clip": "classification"}
CPU = Hardware.cpu(50e9, 16e9)
ENCODER = Shape(params=86e6, family="encoder", width=768, layers=12)


def log_uniform(low: float, high: float) -> st.SearchStrategy[int]:
    return st.floats(math.log(low), math.log(high)).map(lambda x: round(math.exp(x)))


def of(strategy: str, **known: object) -> Costs:
    return estimate(Situation.from_mapping(known), STRATEGIES[strategy])


def numbers(costs: Costs) -> list[float]:
    """Everything that must not shrink when there is more to do."""
    training, serving = costs.training, costs.serving
    values = (
        training.memory.total, training.least_memory_bytes, training.flops, training.seconds,
        training.usd, training.trained_parameters, serving.memory.total, serving.flops,
        serving.latency_seconds, serving.usd_per_1000, serving.hosting_usd_per_month, costs.artefact_bytes,
    )  # fmt: skip
    return [value for value in values if value is not None]


@settings(max_examples=150)
@given(
    strategy=IDS, family=FAMILY, params=log_uniform(1, 1e15), examples=st.integers(0, 10**12),
    tokens=log_uniform(1, 1e9), gpus=st.integers(0, 10**6), memory=log_uniform(1e6, 1e15),
)  # fmt: skip
def test_costs_are_finite_and_never_negative(
    strategy, family, params, examples, tokens, gpus, memory
) -> None:
    costs = of(
        strategy,
        family=family,
        params=params,
        examples=examples,
        tokens=tokens,
        gpus=gpus,
        gpu_memory=float(memory),
    )
    for value in numbers(costs):
        assert math.isfinite(value)
        assert value >= 0
    assert costs.fits == (costs.reason == "")
    json.dumps(costs.to_dict(), allow_nan=False)


@settings(max_examples=150)
@given(
    strategy=IDS, family=FAMILY, params=log_uniform(1e5, 1e13), examples=log_uniform(1, 1e9),
    tokens=log_uniform(1, 1e6), more=st.floats(1, 100), what=st.sampled_from(("params", "examples", "tokens")),
)  # fmt: skip
def test_more_to_do_never_costs_less(
    strategy, family, params, examples, tokens, more, what
) -> None:
    """Demonstrations are fixed: how many fit a prompt depends on their length."""
    known = {"params": params, "examples": examples, "tokens": tokens}
    work = Workload(examples=examples, tokens=tokens)
    known[what] = round(known[what] * more)
    larger = Workload(examples=known["examples"], tokens=known["tokens"])
    small = estimate(Situation(family=family, params=params), STRATEGIES[strategy], workload=work)
    large = estimate(
        Situation(family=family, params=known["params"]), STRATEGIES[strategy], workload=larger
    )
    for less, greater in zip(numbers(small), numbers(large), strict=True):
        assert less <= greater * (1 + 1e-9)


@settings(max_examples=200)
@given(
    strategy=IDS, family=FAMILY, params=log_uniform(1e6, 1e12), examples=log_uniform(1, 1e8),
    memory=log_uniform(1e9, 4e11), gpus=st.integers(1, 64), hours=st.floats(0.001, 1000),
    latency=st.floats(1, 10_000), more=st.floats(1, 50),
    what=st.sampled_from(("gpu_memory", "gpus", "budget_hours", "latency_ms")),
)  # fmt: skip
def test_more_memory_devices_hours_or_patience_never_rules_a_strategy_out(
    strategy, family, params, examples, memory, gpus, hours, latency, more, what
) -> None:
    known = {
        "family": family, "params": params, "examples": examples, "gpu_memory": float(memory),
        "gpus": gpus, "budget_hours": hours, "latency_ms": latency,
    }  # fmt: skip
    before = of(strategy, **known)
    known[what] = math.ceil(known[what] * more) if what == "gpus" else known[what] * more
    after = of(strategy, **known)
    assert after.fits or not before.fits, after.reason


def test_gpt_3_in_numbers() -> None:
    """175B: 16 bytes a parameter with Adam (ZeRO); 2 bytes to serve; 2N a token forwards."""
    full = of("full_finetune", model="gpt-3", examples=1000, task="qa", tokens=300)
    assert full.training.memory.weights == pytest.approx(350e9)
    states = (
        full.training.memory.weights
        + full.training.memory.gradients
        + full.training.memory.optimizer
    )
    assert states == pytest.approx(16 * 175e9)
    assert not full.fits
    assert full.reason == "Training needs at least 2.84 TB of memory; 8 x 80 GB have 640 GB."
    soft = of("soft_prompt", model="gpt-3", examples=1000, task="qa", tokens=300)
    assert soft.fits
    assert soft.training.trained_parameters == 20 * 12288
    assert soft.serving.flops == pytest.approx(2 * 175e9 * 340, rel=0.05)


def test_a_convnets_operations_are_its_multiply_adds() -> None:
    lite = of("linear_probe", model="efficientnet-lite0", examples=100)
    assert lite.serving.flops == pytest.approx(2 * 0.407e9)
    unknown = of("linear_probe", family="convnet", params=25_557_032, examples=100)
    assert unknown.serving.flops == pytest.approx(2 * 4.11e9, rel=0.02)  # ResNet-50


def test_what_is_trained_decides_what_training_costs() -> None:
    by_id = {name: of(name, model="bert-base-uncased", examples=1000) for name in STRATEGIES}
    flops = {name: costs.training.flops for name, costs in by_id.items()}
    memory = {name: costs.training.memory.total for name, costs in by_id.items()}
    assert flops["linear_probe"] < flops["full_finetune"] < flops["from_scratch"]
    assert flops["lp_ft"] > flops["full_finetune"]
    assert memory["linear_probe"] < memory["soft_prompt"] < memory["full_finetune"]
    assert by_id["hard_prompt"].training.trained_parameters == 0
    assert by_id["hard_prompt"].artefact_bytes == 0
    assert (
        by_id["soft_prompt"].artefact_bytes
        < by_id["lora"].artefact_bytes
        < by_id["full_finetune"].artefact_bytes
    )


def test_no_examples_train_nothing() -> None:
    for name in STRATEGIES:
        assert of(name, params="7B", examples=0).training.flops == 0


def test_a_wide_vocabulary_makes_the_output_layer_heavy() -> None:
    known = {"examples": 200, "task": "generation"}
    logits = of("full_finetune", model="gemma-3-270m", **known).training.memory.logits
    assert logits == 16 * 100 * 262_144 * 4 * 3  # batch, answer tokens, vocabulary, bytes, copies
    assert of("linear_probe", model="gemma-3-270m", examples=200).training.memory.logits == 0


def test_long_prompts_fill_the_cache() -> None:
    """2 (keys, values) x 32 layers x 1024 (8 groups of 128) x 2 bytes = 131 kB a token, Llama 3 8B."""
    few, many = (
        of("hard_prompt", model="llama-3-8b", examples=1000, demonstrations=n, tokens=100)
        for n in (0, 50)
    )
    added = many.serving.memory.cache - few.serving.memory.cache
    assert added == pytest.approx(
        131_072 * (many.serving.prompt_tokens - few.serving.prompt_tokens)
    )
    assert many.serving.flops > 10 * few.serving.flops
    assert many.serving.usd_per_1000 > 10 * few.serving.usd_per_1000


def test_frozen_bodies_are_shared_between_tasks() -> None:
    known = {"model": "t5-3b", "examples": 1000, "tasks_served": 100}
    assert of("full_finetune", **known).serving.memory.weights == pytest.approx(
        100 * 2 * 2_851_598_336
    )
    assert of("soft_prompt", **known).serving.memory.weights < 1.01 * 2 * 2_851_598_336


def test_an_api_has_a_price_and_no_memory() -> None:
    costs = of("hard_prompt", params="175B", access="text", examples=50)
    assert costs.fits
    assert costs.serving.memory.total == 0
    assert costs.serving.latency_seconds is None
    assert costs.serving.hosting_usd_per_month == 0
    # 10 of the 50 examples are scored: at $0.90 a million tokens, open models above 16B
    assert costs.training.usd == pytest.approx(10 * 0.9e-6 * (costs.serving.usd_per_1000 / 0.9e-3))
    assert costs.training.memory.total == 0
    davinci = of("hard_prompt", model="gpt-3", access="text", examples=50)
    assert davinci.serving.usd_per_1000 > costs.serving.usd_per_1000


def test_a_measured_cpu_and_an_exact_workload() -> None:
    """What `harness run --dry-run` asks: fp32, no peak to utilize, and every row counted."""
    work = Workload(examples=200, tokens=128, classes=5, epochs=3, batch_size=16, test_rows=100)
    full = estimate(
        Situation(family="encoder", params=86_000_000),
        STRATEGIES["full_finetune"],
        CPU,
        work,
        ENCODER,
    )
    forward = 2 * 86e6 * 128 + 4 * 12 * 768 * 128**2
    expected = forward * (3 * 200 * (0.8 * 3 + 0.2) + 100)
    assert full.training.flops == pytest.approx(expected)
    assert full.training.seconds == pytest.approx(expected / 50e9 + 4 * 86e6 / 1e9)
    assert full.training.memory.weights == pytest.approx(4 * (86e6 + 768 * 5))
    twice = estimate(
        Situation(family="encoder", params=86_000_000), STRATEGIES["full_finetune"], CPU,
        work._replace(weight_copies=2), ENCODER,
    )  # fmt: skip
    assert twice.training.memory.weights - full.training.memory.weights == pytest.approx(4 * 86e6)
    assert full.training.usd is None
    trials = estimate(
        Situation(family="encoder", params=86_000_000),
        STRATEGIES["full_finetune"],
        CPU,
        work._replace(trials=4),
        ENCODER,
    )
    assert trials.training.flops > 3 * full.training.flops


def test_a_probe_pays_once_for_its_features() -> None:
    work = Workload(examples=1000, tokens=128, head_passes=0)
    one, ten = (
        estimate(
            Situation(family="encoder", params=86_000_000),
            STRATEGIES["linear_probe"],
            CPU,
            work._replace(trials=n),
            ENCODER,
        )
        for n in (1, 10)
    )
    assert one.training.flops == ten.training.flops


def test_shape_follows_from_size_alone() -> None:
    shape = shape_of(resolve(Situation(params=175_000_000_000, family="decoder")))
    assert 12 * shape.layers * shape.width**2 == pytest.approx(175e9)
    assert shape.width == pytest.approx(12288, rel=0.15)
    assert not shape.known


def test_a_size_that_contradicts_the_catalogue_is_not_given_the_catalogues_shape() -> None:
    assert shape_of(resolve(Situation(model="bert-base-uncased"))).known
    assert not shape_of(resolve(Situation(model="bert-base-uncased", params=10**9))).known


def test_training_pays_sooner_the_longer_the_prompt() -> None:
    prompting = STRATEGIES["hard_prompt"]

    def point(demonstrations: int):
        situation = Situation(model="llama-3-8b", examples=1000, demonstrations=demonstrations)
        trained = estimate(Situation(model="llama-3-8b", examples=1000), STRATEGIES["soft_prompt"])
        return break_even(situation, trained, prompting)

    short, long = point(4), point(60)
    assert long.own_hardware < short.own_hardware
    assert long.api < short.api
    assert long.prompt_tokens > short.prompt_tokens
    assert point(0) is None
    reached = Situation(model="llama-3-8b", examples=1000, access="embeddings")
    assert break_even(reached, estimate(reached, STRATEGIES["linear_probe"]), prompting) is None
    assert "spread over 12 months" in long.assumption


def test_break_even_is_where_both_cost_the_same() -> None:
    situation = Situation(model="llama-3-8b", examples=1000, demonstrations=60)
    trained = estimate(situation, STRATEGIES["soft_prompt"])
    prompted = estimate(situation, STRATEGIES["hard_prompt"])
    requests = break_even(situation, trained, STRATEGIES["hard_prompt"]).own_hardware
    assert requests * prompted.serving.usd_per_1000 / 1000 == pytest.approx(
        trained.training.usd / 12 + requests * trained.serving.usd_per_1000 / 1000
    )


def test_limits_are_named_with_numbers() -> None:
    hours = of("full_finetune", params="7B", examples="10M", budget_hours=1)
    assert hours.reason.startswith("Training takes about ")
    assert hours.reason.endswith(" on 8 x 80 GB; the budget is 60 min.")
    slow = of("hard_prompt", params="70B", task="generation", latency_ms=10)
    assert slow.reason.startswith("One answer takes about ")
    assert slow.reason.endswith("the limit is 10 ms.")

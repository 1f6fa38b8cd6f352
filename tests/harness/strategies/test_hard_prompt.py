"""Hard prompting: what it says, what it chooses, what it keeps."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.errors import ModelError, SpecError, UnknownName
from harness.backbones.base import ModelFacts, Progress
from harness.datasets.base import Split
from harness.strategies.base import DataFacts, Interrupted, NotFitted, TrialBudget
from harness.strategies.hard_prompt import CONTENT_FREE, HardPrompting
from harness.strategies.prompt_choice import PROBE_ROWS, affordable
from harness.strategies.prompt_file import Prompt
from harness.tasks.classification import Classification
from harness.tasks.templates import TEMPLATES, continuations, label_words
from tests.harness.tiny_decoder import tiny_decoder

TASK = Classification(("ham", "spam"), "Say whether a message is spam.")
DATA = DataFacts(n_examples=40, n_classes=2, modality="text", named_labels=True, description=True)


def facts(family: str = "decoder", window: int | None = 1024) -> ModelFacts:
    modality = "image" if family in ("convnet", "vit") else "text"
    return ModelFacts("a model", family, 1000, 2, 8, modality, window=window)


def split(n: int, seed: int = 0) -> Split:
    """Messages whose words tell their class, in random order."""
    targets = np.random.default_rng(seed).permutation(np.arange(n) % 2)
    texts = tuple(
        f"{'win a prize' if target else 'see you soon'} {row}" for row, target in enumerate(targets)
    )
    return Split(texts, targets.astype(np.int64), tuple(f"rows:{row}" for row in range(n)))


EMPTY = split(0)


class KeywordScorer:
    """Reads the words of a message, with a bias for one label and a liking for one template.

    A prompt for "quote" is answered well; others see nothing but the bias.
    """

    def __init__(self, *, bias: float = 0.0, window: int = 1024, only: str | None = None) -> None:
        self.facts, self.max_tokens = facts(window=window), 32
        self.bias, self.only = bias, only
        self.calls: list[tuple[list[str], str]] = []

    def label_logprobs(
        self,
        queries: Sequence[str],
        labels: Sequence[str],
        *,
        prefix: str = "",
        progress: Progress | None = None,
    ) -> np.ndarray:
        self.calls.append((list(queries), prefix))
        scores = np.zeros((len(queries), len(labels)))
        for row, query in enumerate(queries):
            if self.only is None or self.only in query:
                scores[row, 1] = 2.0 * ("prize" in query) - 2.0 * ("soon" in query)
        scores[:, 0] += self.bias
        if progress is not None:
            progress(1.0)
        return scores

    def token_counts(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([len(text.split()) for text in texts], dtype=np.int64)

    def truncate(self, texts: Sequence[str], max_tokens: int) -> list[str]:
        return [" ".join(text.split()[:max_tokens]) for text in texts]


def fitted(scorer: KeywordScorer, train: Split = EMPTY, validation: Split = EMPTY, *, seed: int = 0,
           budget: TrialBudget | None = None, **settings: str | int) -> HardPrompting:  # fmt: skip
    strategy = HardPrompting(**settings)
    return strategy.fit(scorer, TASK, train, validation, seed=seed, budget=budget or TrialBudget())


def accuracy(strategy: HardPrompting, rows: Split) -> float:
    return float((strategy.predict(rows.inputs).argmax(axis=1) == rows.targets).mean())


class TestFeasible:
    @pytest.mark.parametrize(
        ("family", "reason"),
        [
            ("convnet", "cannot be prompted (yet): no token sequence"),
            ("encoder", "without a language-model head"),
            ("vit", "only trained (soft) prompts apply"),
            ("lstm", "family 'lstm'"),
        ],
    )
    def test_families_that_cannot_score_labels_are_refused(self, family, reason):
        verdict = HardPrompting.feasible(facts(family), TASK, DATA)
        assert not verdict.feasible
        assert reason in verdict.reason

    def test_a_decoder_needs_label_names_or_a_description(self):
        assert HardPrompting.feasible(facts(), TASK, DATA).feasible
        bare = DataFacts(40, 2, "text", named_labels=False, description=False)
        verdict = HardPrompting.feasible(facts(), TASK, bare)
        assert not verdict.feasible
        assert "--label-names" in verdict.reason

    def test_no_examples_are_enough(self):
        none = DataFacts(0, 2, "text", named_labels=True, description=False)
        assert HardPrompting.feasible(facts(), TASK, none).feasible


class TestSpace:
    def test_zero_shot_comes_first_then_balanced_demonstrations(self):
        first = HardPrompting.space(facts(window=32_768), TASK, DATA).first
        assert [point["n_demonstrations"] for point in first] == [0, 4, 32, 4]
        assert [point["selection"] for point in first] == [*["balanced"] * 3, "nearest"]

    def test_without_examples_zero_shot_is_all_there_is(self):
        space = HardPrompting.space(facts(), TASK, DataFacts(0, 2, "text", True, True))
        assert space.exhaustive
        assert [point["n_demonstrations"] for point in space.first] == [0]

    @given(
        n_examples=st.integers(0, 500),
        n_classes=st.integers(2, 60),
        window=st.integers(64, 40_000),
        mean=st.none() | st.floats(1, 2000),
    )
    def test_points_are_in_the_space_and_within_window_and_examples(
        self, n_examples, n_classes, window, mean
    ):
        data = DataFacts(n_examples, n_classes, "text", True, True, mean)
        space = HardPrompting.space(facts(window=window), TASK, data)
        for point in space.first:
            HardPrompting(**point)
            assert point.keys() == space.distributions.keys()
            for key, value in point.items():
                assert value in space.distributions[key].choices
        assert max(space.distributions["n_demonstrations"].choices) <= n_examples


class TestFit:
    def test_zero_examples_use_the_stated_default(self):
        strategy = fitted(KeywordScorer(bias=5.0), n_demonstrations=8)
        assert accuracy(strategy, split(20)) == 1.0  # contextual calibration undoes the bias
        chosen = strategy.report_.chosen
        assert chosen["template"] == "label"
        assert chosen["calibration"] == "contextual"
        assert chosen["demonstrations"] == 0
        assert "no validation rows" in chosen["note"]
        assert strategy.report_.trained_parameters == 0

    def test_a_biased_model_is_calibrated_by_choice(self):
        validation, test = split(20), split(40, seed=1)
        plain = fitted(KeywordScorer(bias=5.0), EMPTY, validation, calibration="none")
        assert accuracy(plain, test) == 0.5
        chosen = fitted(KeywordScorer(bias=5.0), EMPTY, validation)
        assert chosen.report_.chosen["calibration"] in ("contextual", "batch")
        assert accuracy(chosen, test) == 1.0

    def test_an_unbiased_model_is_left_as_it_is(self):
        strategy = fitted(KeywordScorer(), EMPTY, split(20), length_normalization="none")
        assert strategy.report_.chosen["calibration"] == "none"

    def test_the_template_is_chosen_and_the_spread_reported(self):
        strategy = fitted(KeywordScorer(only="is an example of"), EMPTY, split(20))
        chosen = strategy.report_.chosen
        assert chosen["template"] == "quote"
        assert chosen["scores_by_template"].keys() == TEMPLATES.keys()
        assert chosen["scores_by_template"]["quote"] == 1.0
        assert chosen["template_spread"] == 1.0 - min(chosen["scores_by_template"].values())
        assert chosen["validation_rows"] == 20
        json.dumps(dict(chosen))  # goes into the run record

    def test_a_fixed_template_is_the_only_one_tried(self):
        scorer = KeywordScorer()
        strategy = fitted(scorer, EMPTY, split(20), template="bare")
        assert strategy.report_.chosen["scores_by_template"].keys() == {"bare"}
        assert all(prefix == "" for _, prefix in scorer.calls)

    def test_balanced_demonstrations_show_each_class_alike_and_follow_the_seed(self):
        train = split(60)
        lists = []
        for seed in (0, 0, 1):
            strategy = fitted(KeywordScorer(), train, EMPTY, seed=seed, n_demonstrations=8)
            lists.append(strategy.prompt_.demonstrations)
        assert lists[0] == lists[1] != lists[2]
        assert sorted(label for _, label in lists[0]) == ["ham"] * 4 + ["spam"] * 4
        for text, label in lists[0]:
            row = train.inputs.index(text)
            assert TASK.label_names[train.targets[row]] == label
        prefix = fitted(KeywordScorer(), train, EMPTY, n_demonstrations=8).prompt_.prefix
        assert all(f"{text}\nLabel: {label}\n" in prefix for text, label in lists[0])

    def test_validation_rows_are_never_shown(self):
        scorer = KeywordScorer()
        validation = Split(
            tuple(f"secret {row}" for row in range(12)), split(12).targets, split(12).ids
        )
        fitted(scorer, split(20), validation, n_demonstrations=16)
        assert all("secret" not in prefix for _, prefix in scorer.calls)

    def test_demonstrations_are_dropped_until_the_prompt_fits(self):
        strategy = fitted(KeywordScorer(window=120), split(40), EMPTY, n_demonstrations=32)
        shown = strategy.report_.chosen["demonstrations"]
        assert 0 < shown < 32
        scorer = KeywordScorer()
        assert (
            scorer.token_counts([strategy.prompt_.prefix])[0] + strategy.prompt_.text_tokens < 120
        )

    def test_texts_are_cut(self):
        scorer = KeywordScorer()
        strategy = fitted(scorer, EMPTY, EMPTY)
        strategy.predict(["word " * 500])
        assert scorer.token_counts(scorer.calls[-1][0])[0] <= 32 + 3

    def test_a_spent_budget_uses_the_first_rows_and_one_template_and_says_so(self):
        strategy = fitted(KeywordScorer(), EMPTY, split(100), budget=TrialBudget(seconds=0.0))
        assert strategy.report_.chosen["validation_rows"] == PROBE_ROWS
        assert strategy.report_.chosen["scores_by_template"].keys() == {"label"}

    def test_a_cancelled_fit_ends(self):
        with pytest.raises(Interrupted):
            fitted(KeywordScorer(), EMPTY, split(20), budget=TrialBudget(cancelled=lambda: True))

    def test_progress_rises_to_one(self):
        seen: list[float] = []
        fitted(KeywordScorer(), EMPTY, split(20), budget=TrialBudget(progress=seen.append))
        assert seen == sorted(seen)
        assert seen[-1] == 1.0

    @pytest.mark.parametrize(
        ("settings", "error", "message"),
        [
            ({"n_demonstrations": -1}, SpecError, "must be 0 or more; got -1"),
            ({"selection": "best"}, SpecError, "one of balanced, random, nearest; got 'best'"),
            ({"calibration": "platt"}, SpecError, "one of auto, none, contextual, batch; got"),
            ({"calibration": "batch"}, SpecError, "averages over validation rows"),
            ({"template": "lable"}, UnknownName, "Did you mean 'label'"),
        ],
    )
    def test_unknown_settings_are_refused(self, settings, error, message):
        with pytest.raises(error, match=message):
            fitted(KeywordScorer(), **settings)


@given(st.integers(0, 300), st.integers(1, 6), st.floats(0, 5000))
def test_what_is_compared_is_affordable(n_rows, n_templates, scorings):
    rows, templates = affordable(n_rows, n_templates, scorings)
    assert rows <= n_rows
    assert 1 <= templates <= n_templates
    assert rows * templates <= max(scorings, min(n_rows, PROBE_ROWS))


class TestPredict:
    def test_probabilities_are_proper(self):
        probabilities = fitted(KeywordScorer(), EMPTY, split(8)).predict(split(11).inputs)
        assert probabilities.shape == (11, 2)
        assert probabilities.dtype == np.float64
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)

    def test_contextual_calibration_makes_content_free_texts_uninformative(self):
        """Zhao et al. 2021: the mean answer to content-free texts becomes uniform."""
        strategy = fitted(KeywordScorer(bias=3.0), EMPTY, split(8), calibration="contextual")
        probabilities = strategy.predict(CONTENT_FREE)
        np.testing.assert_allclose(probabilities, 0.5)

    def test_predicting_before_fitting_fails_clearly(self, tmp_path):
        with pytest.raises(NotFitted, match="call fit or load first"):
            HardPrompting().predict(["a"])
        with pytest.raises(NotFitted):
            HardPrompting().save(tmp_path)


class TestSaved:
    def test_a_real_decoder_predicts_identically_after_loading(self, tmp_path):
        backbone = tiny_decoder("gemma3")
        strategy = HardPrompting(n_demonstrations=4).fit(
            backbone, TASK, split(20), split(10, seed=2), seed=3, budget=TrialBudget()
        )
        strategy.save(tmp_path)
        loaded = HardPrompting.load(tmp_path, backbone, TASK)
        texts = split(9, seed=5).inputs
        np.testing.assert_array_equal(loaded.predict(texts), strategy.predict(texts))
        assert loaded.prompt_ == strategy.prompt_

    def test_the_file_is_readable_by_a_person(self, tmp_path):
        fitted(KeywordScorer(), split(20), split(8), n_demonstrations=2, template="label").save(
            tmp_path
        )
        saved = json.loads((tmp_path / "prompt.json").read_text())
        assert saved["labels"] == ["ham", "spam"]
        assert len(saved["demonstrations"]) == 2
        assert "Say whether a message is spam." in saved["instruction"]
        assert len(saved["log_prior"]) == 2

    @pytest.mark.parametrize(
        "text", ["", "[]", "{}", '{"schema_version": 1}', '{"schema_version": 9}']
    )
    def test_a_broken_file_is_refused(self, tmp_path, text):
        (tmp_path / "prompt.json").write_text(text)
        with pytest.raises(ModelError, match=r"prompt\.json"):
            Prompt.load(tmp_path)

    def test_a_missing_file_is_refused(self, tmp_path):
        with pytest.raises(ModelError, match="is not a saved prompt"):
            HardPrompting.load(tmp_path, tiny_decoder(), TASK)


class TestWords:
    def test_label_names_become_words(self):
        assert label_words(["Sci_Tech", "world  news"]) == ("Sci Tech", "world news")

    @pytest.mark.parametrize("names", [["a", "_"], ["a_b", "a b"]])
    def test_names_without_words_or_distinction_are_refused(self, names):
        with pytest.raises(SpecError, match="--label-names"):
            label_words(names)

    def test_labels_that_begin_others_are_ended(self):
        assert continuations(["art", "sport"]) == (" art", " sport")
        assert continuations(["art", "art history"]) == (" art\n", " art history\n")

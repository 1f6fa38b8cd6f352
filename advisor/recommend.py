"""The advice: `advise(Situation(...))` returns a `Recommendation`, best strategy first."""

from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

from advisor.costs import BreakEven, Costs, break_even
from advisor.demonstrations import Demonstrations, answer_demonstrations
from advisor.errors import SpecError
from advisor.inference import Resolved, resolve
from advisor.learned.expect import Expected
from advisor.learned.further import Agreement, Pilot
from advisor.learned.nearest import Nearby, nearest
from advisor.prospects import (
    DEFAULT_TOLERANCE,
    cheapest,
    curves,
    prospects,
    who_moved_it,
    worthwhile_pilot,
)
from advisor.rules import FACTS, Direction, Fact, Forbids
from advisor.scoring import Scored, ranked
from advisor.situation import Situation
from advisor.tipping import TippingPoint, Unknown, most_telling_unknowns, tipping_points
from advisor.traits import CORE, STRATEGIES
from advisor.wording import words_of_situation, words_of_strategy

SCHEMA_VERSION = 1


class Reason(NamedTuple):
    """Why a strategy stands where it stands.

    Attributes:
        rule: Id of the rule; effect: its score points, None where it rules the strategy out.
        text: The rule said for this situation; source: who states it.
    """

    rule: str
    effect: float | None
    text: str
    source: str

    def to_dict(self) -> dict[str, object]:
        return {"rule": self.rule, "effect": self.effect, "text": self.text, "source": self.source}


class Note(NamedTuple):
    """A fact worth knowing in the situation; moves no score."""

    rule: str
    text: str
    source: str

    def to_dict(self) -> dict[str, object]:
        return {"rule": self.rule, "text": self.text, "source": self.source}


class StrategyAdvice(NamedTuple):
    """One candidate.

    Attributes:
        strategy: Id; name: what people call it.
        rank: 1 is best; None if infeasible.
        score: 0 to 100, the sum of the reasons' effects; None if infeasible.
        p_best: Probability that it has the highest expected score of the feasible candidates.
        expected_score: Points beside the best candidate that full access would allow.
        interval: Of that difference, 80%; expected_regret: points by which the best feasible
            candidate is expected to lead it. All four are None where no model that was validated on
            left-out sources supplies them.
        reasons: Strongest first; for an infeasible one, what rules it out.
        costs: Estimated for training and serving.
    """

    strategy: str
    name: str
    rank: int | None
    feasible: bool
    score: float | None
    reasons: tuple[Reason, ...]
    costs: Costs
    p_best: float | None = None
    expected_score: float | None = None
    interval: tuple[float, float] | None = None
    expected_regret: float | None = None

    def to_dict(self, evidence: tuple[Nearby, ...] = ()) -> dict[str, object]:
        """Plain JSON.

        Args:
            evidence: Nearby comparisons; those that measured the strategy are told.
        """
        return {
            "strategy": self.strategy,
            "name": self.name,
            "rank": self.rank,
            "feasible": self.feasible,
            "score": self.score,
            "p_best": self.p_best,
            "expected_score": self.expected_score,
            "interval": None if self.interval is None else list(self.interval),
            "expected_regret": self.expected_regret,
            "reasons": [reason.to_dict() for reason in self.reasons],
            "costs": self.costs.to_dict(),
            "evidence": [one.to_dict() for one in evidence if self.strategy in one.scores],
        }


class _Answer(NamedTuple):
    situation: Resolved
    recommendations: tuple[StrategyAdvice, ...]
    notes: tuple[Note, ...]
    assume_hardware: bool = True
    tolerance: float = DEFAULT_TOLERANCE


class Recommendation(_Answer):
    """The answer. Immutable; what needs many further evaluations is worked out when first read.

    Attributes:
        situation: Every value in force, given and inferred.
        recommendations: Feasible candidates by rank, then the infeasible ones.
        notes: Facts the situation concerns.
        assume_hardware: Whether a node was assumed where none was stated.
        tolerance: Points the cheapest choice may be expected to lose.
    """

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Recommendation is immutable; cannot set {name!r}")

    @property
    def best(self) -> StrategyAdvice | None:
        """The first feasible candidate; None if there is none."""
        first = self.recommendations[0]
        return first if first.feasible else None

    @property
    def assumptions(self) -> tuple[str, ...]:
        return self.situation.assumptions

    @cached_property
    def tipping_points(self) -> tuple[TippingPoint, ...]:
        """Smallest change of examples, params or shift that puts another candidate first."""
        return tipping_points(
            self.situation.stated, self._candidates, assume_hardware=self.assume_hardware
        )

    @cached_property
    def unknowns(self) -> tuple[Unknown, ...]:
        """What was not said and would matter, the most telling first."""
        return most_telling_unknowns(
            self.situation.stated, self._candidates, assume_hardware=self.assume_hardware
        )

    @cached_property
    def also(self) -> str | None:
        """One line if a strategy that was not asked about would come first."""
        if self.situation.stated.candidates is not None and set(self._candidates) != set(CORE):
            return None
        first = ranked(self.situation.without_question(), STRATEGIES)[0]
        if first.score is None or first.traits.id in self._candidates:
            return None
        against = (
            ""
            if self.best is None
            else f" ({first.score:.1f} against {self.best.score:.1f} points)"
        )
        return (
            f"Beyond the candidates asked about, {first.traits.name} would come first{against}: "
            "compare with `--candidates all`."
        )

    @cached_property
    def break_even(self) -> tuple[BreakEven, ...]:
        """For each feasible trained strategy: requests a month from which it is cheaper than a
        prompt with demonstrations; empty where no prompt is possible."""
        prompting = next(
            (each for each in self.recommendations if each.feasible and not _is_trained(each)), None
        )
        if prompting is None:
            return ()
        found = (
            break_even(self.situation, each.costs, STRATEGIES[prompting.strategy])
            for each in self.recommendations
            if each.feasible and _is_trained(each)
        )
        return tuple(each for each in found if each is not None)

    @cached_property
    def demonstrations(self) -> Demonstrations | None:
        """Answer to "should so many examples go into the prompt?"; None if that was not asked."""
        return answer_demonstrations(self.situation)

    @cached_property
    def nearest(self) -> tuple[Nearby, ...]:
        """Measured comparisons nearest to the situation; empty where none compared candidates."""
        feasible = [each.strategy for each in self.recommendations if each.feasible]
        return nearest(self.situation, feasible)

    @cached_property
    def agreement(self) -> Agreement | None:
        """Whether rules and measurements agree, and which moved the answer."""
        return who_moved_it(self._ranked)

    @cached_property
    def pilot(self) -> Pilot | None:
        """The two candidates worth measuring first; None if that would gain nothing."""
        return worthwhile_pilot(self.situation.without_question(), self._ranked)

    @cached_property
    def cheapest(self) -> tuple[str, float] | None:
        """The candidate that takes least training of those expected to trail the best by no more
        than the tolerance, and by how many points; None without probabilities."""
        scores = {
            each.strategy: each.expected_score
            for each in self.recommendations
            if each.expected_score is not None
        }
        return cheapest(self._ranked, scores, self.tolerance) if scores else None

    @cached_property
    def learning_curves(self) -> tuple[dict[str, object], ...]:
        """What to expect at other numbers of examples; empty without probabilities."""
        return curves(self.situation.stated, self._candidates, assume_hardware=self.assume_hardware)

    @cached_property
    def _ranked(self) -> list[Scored]:
        return ranked(self.situation.without_question(), self._candidates)

    def to_dict(self) -> dict[str, object]:
        """Plain JSON, in the published schema; everything is worked out for it."""
        return {
            "schema_version": SCHEMA_VERSION,
            "situation": self.situation.to_dict(),
            "assumptions": list(self.assumptions),
            "recommendations": [each.to_dict(self.nearest) for each in self.recommendations],
            "tipping_points": [point.to_dict() for point in self.tipping_points],
            "unknowns": [unknown.to_dict() for unknown in self.unknowns],
            "notes": [note.to_dict() for note in self.notes],
            "also": self.also,
            "break_even": [each.to_dict() for each in self.break_even],
            "demonstrations": self.demonstrations.to_dict() if self.demonstrations else None,
            "agreement": self.agreement.to_dict() if self.agreement else None,
            "cheapest": self._cheapest_told(),
            "pilot": self.pilot.to_dict() if self.pilot else None,
            "learning_curves": list(self.learning_curves),
        }

    def _cheapest_told(self) -> dict[str, object] | None:
        if self.cheapest is None:
            return None
        strategy, behind = self.cheapest
        return {"strategy": strategy, "tolerance": self.tolerance, "expected_loss": behind}

    @property
    def _candidates(self) -> tuple[str, ...]:
        return tuple(each.strategy for each in self.recommendations)


def advise(
    situation: Situation | Mapping[str, object] | None = None,
    *,
    candidates: tuple[str, ...] | str | None = None,
    assume_hardware: bool = True,
    tolerance: float = DEFAULT_TOLERANCE,
) -> Recommendation:
    """Rank the strategies for a situation.

    Args:
        situation: What is known; a mapping is read as `Situation.from_mapping` does.
        candidates: "core", "all" or strategy ids; overrides the situation's.
        assume_hardware: Where no hardware is stated, assume one node of 8 GPUs with 80 GB;
            False: no limit.
        tolerance: Points of the metric that the cheapest choice may be expected to lose.

    Raises:
        SpecError: If a value is unreadable, out of range or contradicts another.
        UnknownName: If a key, family, task or strategy is not known.
    """
    if not 0 <= tolerance <= 100:
        raise SpecError(f"tolerance must be from 0 to 100 points; got {tolerance:g}.")
    if situation is None:
        situation = Situation()
    elif not isinstance(situation, Situation):
        situation = Situation.from_mapping(situation)
    if candidates is not None:
        situation = Situation.from_mapping(situation.to_dict() | {"candidates": candidates})
    resolved = resolve(situation, assume_hardware=assume_hardware)
    words = words_of_situation(resolved)
    asked = resolved.without_question()
    order = ranked(asked, resolved.candidates)
    found = prospects(asked, order)
    return Recommendation(
        situation=resolved,
        recommendations=tuple(
            _advice(scored, rank, words, found.get(scored.traits.id))
            for rank, scored in enumerate(order, start=1)
        ),
        notes=tuple(_note(fact, words) for fact in FACTS if fact.concerns(resolved)),
        assume_hardware=assume_hardware,
        tolerance=tolerance,
    )


def _is_trained(advice: StrategyAdvice) -> bool:
    return STRATEGIES[advice.strategy].needs_labels


def _advice(
    scored: Scored, rank: int, words: Mapping[str, str], prospect: Expected | None
) -> StrategyAdvice:
    words = {**words, **words_of_strategy(scored)}
    effects: list[tuple[Forbids | Direction, float | None]]
    if scored.score is None:
        effects = [(rule, None) for rule in scored.forbidden_by]
    else:
        effects = [*sorted(scored.effects, key=lambda each: (each[0].id != "start", -abs(each[1])))]
    return StrategyAdvice(
        strategy=scored.traits.id,
        name=scored.traits.name,
        rank=None if scored.score is None else rank,
        feasible=scored.score is not None,
        score=scored.score,
        reasons=tuple(
            Reason(rule.id, effect, rule.says.format_map(words), rule.source)
            for rule, effect in effects
        ),
        costs=scored.costs,
        p_best=prospect.p_best if prospect else None,
        expected_score=prospect.score if prospect else None,
        interval=prospect.interval if prospect else None,
        expected_regret=prospect.regret if prospect else None,
    )


def _note(fact: Fact, words: Mapping[str, str]) -> Note:
    return Note(fact.id, fact.says.format_map(words), fact.source)

"""A toy language model in pure torch: a real backbone in every respect but its size.

It knows the words of a few topics. Its frozen features separate them, its trainees learn them,
its attention can be steered by prompt vectors, and it answers a prompt by comparing words.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from advisor.errors import SpecError
from harness.backbones.base import FrozenModel, ModelFacts, Progress, PromptSpec, Trainee, View
from harness.backbones.heads import own_copy
from harness.datasets.base import Split
from harness.strategies.base import DataFacts
from harness.tasks.base import Task
from harness.tasks.classification import Classification

_WORDS = {
    "sport": "match goal team player league coach striker cup referee stadium",
    "money": "bank loan market stock price profit trade tax fund investor",
    "music": "song band guitar album melody concert drum singer chorus piano",
    "weather": "rain wind cloud storm snow sunny frost thunder fog hail",
    "": "the a of and today very some then about it was new",
}
TOPICS = {topic: words.split() for topic, words in _WORDS.items() if topic}
FILLERS = _WORDS[""].split()
VOCABULARY = ["<unk>", *TOPICS, *FILLERS, *(word for words in TOPICS.values() for word in words)]
_IDS = {word: index for index, word in enumerate(VOCABULARY)}
_TOPIC = {word: topic for topic, words in TOPICS.items() for word in (*words, topic)}
WIDTH, LAYERS, WINDOW = 32, 2, 512


def toy_task(metric: str = "accuracy") -> Classification:
    return Classification(tuple(TOPICS), description="What is the text about?", metric=metric)


def toy_split(n: int, seed: int = 0, *, words: int = 6) -> Split:
    """n texts of topic words and fillers, classes in turn."""
    draw = np.random.default_rng(seed)
    topics = list(TOPICS)
    targets = np.arange(n) % len(topics)
    texts = []
    for target in targets:
        own = draw.choice(TOPICS[topics[target]], words // 2)
        rest = draw.choice(FILLERS, int(draw.integers(1, words)))
        texts.append(" ".join(draw.permutation([*own, *rest])))
    return Split(tuple(texts), targets.astype(np.int64), tuple(f"toy {seed}:{i}" for i in range(n)))


def permuted(split: Split, seed: int = 0) -> Split:
    """The same texts with labels that say nothing: each class's rows get all labels in turn."""
    draw = np.random.default_rng(seed)
    targets = split.targets.copy()
    for label in np.unique(split.targets):
        rows = draw.permutation(np.flatnonzero(split.targets == label))
        targets[rows] = (np.arange(len(rows)) + label) % len(np.unique(split.targets))
    return Split(split.inputs, targets, split.ids)


def toy_data_facts(n_examples: int = 80) -> DataFacts:
    return DataFacts(
        n_examples=n_examples,
        n_classes=len(TOPICS),
        modality="text",
        named_labels=True,
        description=True,
        mean_tokens=6.0,
    )


def toy_facts(family: str = "decoder") -> ModelFacts:
    return ModelFacts(
        name=f"toy-{family}",
        family=family,
        params=sum(p.numel() for p in ToyBody().parameters()),
        layers=LAYERS,
        width=WIDTH,
        modality="text",
        window=WINDOW,
        positions="rotary",
        vocabulary=len(VOCABULARY),
        location="toy",
        digest=f"toy-{family}-weights",
    )


def _tokens(text: str) -> list[int]:
    words = (word.strip(".,:;!?\"'") for word in text.lower().split())
    return [_IDS.get(word, 0) for word in words if word] or [0]


class _Block(nn.Module):
    """One head of attention, then a small network; both added to what came in."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.dropout = nn.Dropout(0.1)
        self.network = nn.Sequential(
            nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 64), nn.GELU(), nn.Linear(64, WIDTH)
        )

    def forward(self, states, real, prefix=None):
        normed = self.norm(states)
        keys, values = self.key(normed), self.value(normed)
        if prefix is not None:
            keys = torch.cat([prefix[0].expand(len(states), -1, -1), keys], dim=1)
            values = torch.cat([prefix[1].expand(len(states), -1, -1), values], dim=1)
            real = torch.cat([real.new_ones(len(real), prefix[0].shape[0]), real], dim=1)
        scores = self.query(normed) @ keys.transpose(1, 2) / math.sqrt(WIDTH)
        weights = scores.masked_fill(~real[:, None, :], -torch.inf).softmax(dim=-1)
        states = states + self.dropout(weights @ values)
        return states + self.network(states)


class ToyBody(nn.Module):
    """Embeddings in which words of one topic are near each other, and two blocks."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(7)
            directions = {topic: torch.randn(WIDTH) for topic in TOPICS}
            self.embed = nn.Embedding(len(VOCABULARY), WIDTH)
            self.blocks = nn.ModuleList(_Block() for _ in range(LAYERS))
            with torch.no_grad():
                for block in self.blocks:  # attention that can tell words apart
                    for linear in (block.query, block.key, block.value):
                        linear.weight.mul_(3.0)
                for word, index in _IDS.items():
                    if word in _TOPIC:
                        self.embed.weight[index] += directions[_TOPIC[word]]

    def states(self, embeddings, real, prefixes=None):
        """After the embedding and after each block, a list of (B, L, width)."""
        states = [embeddings]
        for index, block in enumerate(self.blocks):
            prefix = None if prefixes is None else prefixes[index]
            states.append(block(states[-1], real, prefix))
        return states


class _Prompt(nn.Module):
    """Vectors among the embeddings ("prompt") or keys and values of each block ("prefix")."""

    def __init__(self, spec: PromptSpec, body: ToyBody) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(spec.seed)
        vectors = torch.randn(spec.length, WIDTH, generator=draw)
        if spec.init != "random":
            ids = torch.randint(1, len(VOCABULARY), (spec.length,), generator=draw)
            vectors = body.embed.weight.detach()[ids].clone()
        self.kind, self.position = spec.kind, spec.position
        if spec.kind == "prefix":
            vectors = vectors.repeat(LAYERS, 2, 1, 1)
        self.vectors = nn.Parameter(vectors)


class ToyTrainee(Trainee):
    """Label words as answers (`form` "default" of a decoder) or a head on the mean state."""

    body: ToyBody

    def __init__(
        self,
        body: ToyBody,
        task: Task,
        spec: PromptSpec | None,
        *,
        head: bool,
        frozen: bool = False,
    ) -> None:
        super().__init__()
        self.body = copy.deepcopy(body).requires_grad_(spec is None and not frozen)
        answers = nn.Linear(WIDTH, task.n_classes, bias=False)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(11)
            nn.init.normal_(answers.weight, std=0.5)
        if head:
            self.head = nn.Linear(WIDTH, task.n_classes)
        else:  # what the model would say, before it was taught what a label means
            self.register_buffer("label_vectors", answers.weight.detach(), persistent=False)
        if spec is not None:
            self.prompt = _Prompt(spec, body)

    def encode(self, inputs: Sequence[str], *, augment: bool = False) -> dict[str, torch.Tensor]:
        rows = [torch.tensor(_tokens(text)) for text in inputs]
        ids = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)
        return {"ids": ids.clamp(min=0), "real": ids >= 0}

    def answers(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        embeddings, real, prefixes = self.body.embed(batch["ids"]), batch["real"], None
        own = real
        if self.prompt is not None and self.prompt.kind == "prefix":
            prefixes = list(self.prompt.vectors)
        elif self.prompt is not None:
            vectors = self.prompt.vectors.expand(len(embeddings), -1, -1)
            embeddings = torch.cat([vectors, embeddings], dim=1)
            there = real.new_ones(len(real), vectors.shape[1])
            own, real = torch.cat([~there, own], dim=1), torch.cat([there, real], dim=1)
        last = self.body.states(embeddings, real, prefixes)[-1]
        mean = (last * own[:, :, None]).sum(dim=1) / own.sum(dim=1, keepdim=True)
        scores = mean @ self.label_vectors.T if self.head is None else self.head(mean)
        return scores.log_softmax(dim=-1)

    def layer_groups(self) -> list[list[nn.Parameter]]:
        groups = [list(self.body.embed.parameters())]
        groups += [list(block.parameters()) for block in self.body.blocks]
        groups[0] += [] if self.prompt is None else list(self.prompt.parameters())
        groups.append([] if self.head is None else list(self.head.parameters()))
        trained = [[p for p in group if p.requires_grad] for group in groups]
        return [group for group in trained if group]

    def blocks(self) -> Sequence[nn.Module]:
        return list(self.body.blocks)

    def lengths(self, inputs: Sequence[str]) -> np.ndarray:
        return np.array([len(_tokens(text)) for text in inputs], dtype=np.int64)

    def save_body(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.body.state_dict(), folder / "model.safetensors")

    def load_body(self, folder: Path) -> None:
        self.body.load_state_dict(load_file(folder / "model.safetensors"))


class ToyBackbone(FrozenModel):
    """Implements `Backbone` and `LabelScorer`; `family` decides what its trainees look like."""

    poolings: tuple[str, ...] = ("mean", "max", "last")

    def __init__(self, family: str = "decoder") -> None:
        self.facts = toy_facts(family)
        self.device = torch.device("cpu")
        self.max_tokens: int | None = 64
        self.extracted = 0  # rows that went through the model
        self._body = ToyBody().eval().requires_grad_(False)
        if family == "encoder":
            self.poolings = ("mean", "cls", "cls_mean", "max", "last")

    @torch.inference_mode()
    def views(
        self, inputs: Sequence[str], views: Sequence[View], *, progress: Progress | None = None
    ) -> np.ndarray:
        for view in views:
            if view.pooling not in self.poolings:
                known = ", ".join(self.poolings)
                raise SpecError(f"pooling must be one of {known}; got {view.pooling!r}")
        rows = []
        for done, text in enumerate(inputs, start=1):
            ids = torch.tensor([_tokens(text)])
            states = self._body.states(
                self._body.embed(ids), torch.ones_like(ids, dtype=torch.bool)
            )
            parts = [_pool(states[view.layer][0], view.pooling) for view in views]
            rows.append(torch.cat(parts).numpy())
            if progress is not None:
                progress(done / len(inputs))
        self.extracted += len(rows)
        width = sum(map(self.view_width, views))
        return np.array(rows, dtype=np.float32).reshape(len(rows), width)

    def earlier_layers(self) -> tuple[int, ...]:
        return tuple(range(LAYERS))

    def trainee(
        self,
        task: Task,
        *,
        pooling: str | None = None,
        prompt: PromptSpec | None = None,
        form: str = "default",
        frozen: bool = False,
        pretrained: bool = True,
    ) -> ToyTrainee:
        head = form == "head" or self.facts.family != "decoder"
        body = own_copy(self._body, frozen=frozen, pretrained=pretrained)
        return ToyTrainee(body, task, prompt, head=head, frozen=frozen)

    def label_logprobs(
        self,
        queries: Sequence[str],
        labels: Sequence[str],
        *,
        prefix: str = "",
        progress: Progress | None = None,
    ) -> np.ndarray:
        """Labels are likelier whose topic, or whose demonstrations, share words with the query."""
        shown: dict[str, set[int]] = {label.strip(): set() for label in labels}
        words: set[int] = set()
        for line in prefix.splitlines():
            words |= set(_tokens(line))
            answer = line.rpartition(":")[2].strip()
            if answer in shown:
                shown[answer] |= words - set(_tokens(answer))
                words = set()
        scores = np.zeros((len(queries), len(labels)))
        for row, query in enumerate(queries):
            tokens = _tokens(query)
            for column, label in enumerate(labels):
                name = label.strip()
                related = sum(_TOPIC.get(VOCABULARY[token]) == name for token in tokens)
                scores[row, column] = related + 0.5 * sum(t in shown[name] for t in tokens if t)
        logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True)) - 1.0
        if progress is not None:
            progress(1.0)
        return logs

    def token_counts(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([len(text.split()) for text in texts], dtype=np.int64)

    def truncate(self, texts: Sequence[str], max_tokens: int) -> list[str]:
        return [" ".join(text.split()[:max_tokens]) for text in texts]


def _pool(states: torch.Tensor, pooling: str) -> torch.Tensor:
    """States of one text, shape (L, width), to one vector."""
    if pooling == "max":
        return states.amax(dim=0)
    if pooling in ("cls", "last"):
        return states[0 if pooling == "cls" else -1]
    mean = states.mean(dim=0)
    return mean if pooling == "mean" else torch.cat([states[0], mean])

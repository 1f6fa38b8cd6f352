"""Models behind an endpoint, against a server on this machine."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from advisor.errors import ModelError, SpecError
from harness.backbones.api import ApiBackbone, api_facts, api_name
from harness.backbones.endpoint import CeilingReached, Endpoint, at_most, checked_url, is_local
from harness.catalog import STRATEGIES
from harness.cli import main
from harness.models import load_backbone, resolve_model
from tests.harness.chat_server import Answer, completion, serving
from tests.harness.toy import toy_data_facts, toy_task

LABELS = [" sport", " money"]


@pytest.fixture(autouse=True)
def _own(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr("harness.backbones.endpoint.RETRIES", 2)


def model(url: str) -> ApiBackbone:
    backbone = load_backbone(resolve_model(api_name("api:toy", url)), None, 64)
    assert isinstance(backbone, ApiBackbone)
    return backbone


def asked_of(answer: Answer, queries: list[str] | None = None) -> tuple[np.ndarray, ApiBackbone]:
    with serving(answer) as chat:
        backbone = model(chat.url)
        scores = backbone.label_logprobs(queries or ["Text: a goal\nLabel:"], LABELS, prefix="P\n")
    return np.exp(scores), backbone


def test_log_probabilities_of_the_first_token_are_the_labels() -> None:
    found, _ = asked_of(
        lambda _: (200, completion("sport", {"sp": 0.6, "Sport": 0.1, "mon": 0.2, "zzz": 0.1}))
    )
    np.testing.assert_allclose(found, [[0.7, 0.2]])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("Sport.", [0.9, 0.1]),
        ("money, because of the bank", [0.1, 0.9]),
        ("It is about sport", [0.9, 0.1]),
        ("no idea", [0.5, 0.5]),
        ("sport or money", [0.9, 0.1]),
        ("either money or sport", [0.5, 0.5]),
        ("", [0.5, 0.5]),
    ],
)
def test_without_them_the_answer_is_read(content: str, expected: list[float]) -> None:
    found, backbone = asked_of(lambda _: (200, completion(content)))
    np.testing.assert_allclose(found, [expected])
    assert backbone.unmatched == (expected[0] == 0.5)


def test_alternatives_that_begin_two_labels_are_not_trusted() -> None:
    with serving(lambda _: (200, completion("money", {"m": 0.9, "s": 0.1}))) as chat:
        found = np.exp(model(chat.url).label_logprobs(["x"], [" money", " music"]))
    np.testing.assert_allclose(found, [[0.9, 0.1]])


def test_what_is_sent_is_the_prompt_and_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    with serving(lambda _: (200, completion("sport"))) as chat:
        model(chat.url).label_logprobs(["Text: a\nLabel:"], LABELS, prefix="Say it.\n")
    assert chat.keys == ["Bearer secret"]
    (payload,) = chat.asked
    assert payload["model"] == "toy"
    assert payload["temperature"] == 0
    said = payload["messages"][0]["content"]
    assert said == "Say it.\nText: a\nLabel:\nAnswer with one of: sport, money. Write nothing else."


def test_nothing_is_asked_twice() -> None:
    with serving(lambda _: (200, completion("sport"))) as chat:
        for _ in range(2):
            model(chat.url).label_logprobs(["a", "b", "a"], LABELS)
        assert len(chat.asked) == 2


def test_the_ceiling_stops_before_it_is_passed() -> None:
    with serving(lambda _: (200, completion("sport"))) as chat:
        with at_most(2), pytest.raises(CeilingReached, match="ceiling of 2 calls"):
            model(chat.url).label_logprobs(["a", "b", "c"], LABELS)
        assert len(chat.asked) == 2
        with at_most(1):  # what was answered is free
            model(chat.url).label_logprobs(["a", "b", "c"], LABELS)


def test_a_busy_server_is_asked_again() -> None:
    answers = iter([(503, "busy"), (429, "slow down"), (200, completion("sport"))])
    with serving(lambda _: next(answers)) as chat:
        assert Endpoint(chat.url, "toy").ask("a")["content"] == "sport"
        assert len(chat.asked) == 3


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (404, "no such model", "answered 404: no such model"),
        (200, "<html>", "not JSON"),
        (200, {"error": "x"}, "is it OpenAI-compatible"),
        (200, {"choices": []}, "is it OpenAI-compatible"),
    ],
)
def test_another_answer_is_one_line(status: int, body: object, message: str) -> None:
    with serving(lambda _: (status, body)) as chat, pytest.raises(ModelError, match=message) as got:
        Endpoint(chat.url, "toy").ask("a")
    assert "\n" not in str(got.value)


def test_nobody_there() -> None:
    with serving(lambda _: (200, "")) as chat:
        url = chat.url
    with pytest.raises(ModelError, match="cannot be reached"):
        Endpoint(url, "toy").ask("a")


def test_addresses() -> None:
    assert checked_url("http://127.0.0.1:1/v1/") == "http://127.0.0.1:1/v1"
    for wrong in ("127.0.0.1", "ftp://x/v1", "http://"):
        with pytest.raises(SpecError, match="base-url must be an http address"):
            checked_url(wrong)
    assert [is_local(f"http://{host}/v1") for host in ("localhost", "127.0.0.1", "[::1]")] == [
        True
    ] * 3
    assert not is_local("https://api.example.org/v1")
    with pytest.raises(SpecError, match="add --base-url"):
        resolve_model("api:toy")


def test_only_prompting_in_words_works() -> None:
    facts = api_facts("api:toy@http://127.0.0.1:1/v1")
    works = {
        name: STRATEGIES.load(name).feasible(facts, toy_task(), toy_data_facts())
        for name in STRATEGIES.names()
    }
    assert [name for name, verdict in works.items() if verdict.feasible] == ["hard_prompt"]
    assert "an endpoint gives text only" in works["linear_probe"].reason
    kind = STRATEGIES.load("hard_prompt")
    space = kind.space(facts, toy_task(), toy_data_facts())
    assert all(point["selection"] != "nearest" for point in space.first)


def about(payload: dict) -> tuple[int, dict]:
    """Answers the last question of a prompt by its words."""
    text = payload["messages"][0]["content"].rsplit("Answer with", 1)[0]
    last = text.strip().splitlines()[-2:]
    sport = any(word in " ".join(last) for word in ("goal", "team", "match"))
    return 200, completion(
        "sport" if sport else "money", {"sp": 0.8 if sport else 0.2, "mo": 0.2 if sport else 0.8}
    )


@pytest.fixture
def news(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, start, n in (("train", 0, 24), ("test", 24, 20)):
        with Path(f"{name}.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["text", "label"])
            for number in range(start, start + n):
                word, label = (("goal", "sport"), ("bank", "money"))[number % 2]
                rows.writerow([f"the {word} number {number} today", label])
    return tmp_path


def run(url: str, *more: str) -> int:
    return main(["run", "--model", "api:toy", "--base-url", url, "--data", "train.csv",
                 "--test-data", "test.csv", "--seeds", "1", "--trials", "1", "--out", "out", *more])  # fmt: skip


def test_a_whole_run_and_its_winner(news: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(about) as chat:
        assert run(chat.url, "--yes", "--privacy", "local") == 0
        said = capsys.readouterr()
        assert "stay on this machine" in said.err
        assert "price not known" in said.err
        calls = int(said.err.split("At most ")[1].split(" calls")[0].replace(",", ""))
        assert 0 < len(chat.asked) <= calls
        result = json.loads(Path("out/result.json").read_text())
        assert result["winner"] == "hard_prompt"
        by_id = {one["strategy"]: one for one in result["strategies"]}
        assert by_id["hard_prompt"]["test"]["mean"] == 1.0
        assert by_id["full_finetune"]["status"] == "refused"
        assert Path("out/report.html").stat().st_size > 10_000
        before = len(chat.asked)
        assert main(["predict", "out", "--input", "test.csv"]) == 0
        assert len(chat.asked) == before  # the same questions were answered already
        predicted = list(csv.DictReader(capsys.readouterr().out.splitlines()))
        assert [row["prediction"] for row in predicted] == [row["label"] for row in predicted]


def test_nothing_is_sent_without_consent(news: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(about) as chat:
        assert run(chat.url) == 2
        assert "nothing was sent; add --yes" in capsys.readouterr().err
        assert run("https://api.example.org/v1", "--yes", "--privacy", "local") == 2
        assert "--privacy local forbids sending texts to api.example.org" in capsys.readouterr().err
        assert not chat.asked
        assert not Path("out").exists()


def test_a_known_model_has_a_price(news: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--model", "api:gpt-4o-mini", "--base-url", "https://api.example.org/v1",
                 "--data", "train.csv", "--out", "out"]) == 2  # fmt: skip
    said = capsys.readouterr().err
    assert "leave this machine for api.example.org" in said
    assert "USD at the list price of" in said


def test_a_ceiling_ends_the_trial_and_says_so(
    news: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(about) as chat:
        code = run(chat.url, "--yes", "--max-calls", "3")
        assert len(chat.asked) == 3
    assert code in (0, 1)
    assert "ceiling of 3 calls" in Path("out/result.json").read_text()

"""What of a conversation is kept and sent."""

from __future__ import annotations

import json
import uuid

import pytest
from chat_endpoint import completion, error
from hub_openai.history import Exchange, cut, keep, newer_half, newest, recall, tokens
from hypothesis import given
from hypothesis import strategies as st

from hub import AssistantFailed

TEXTS = st.text(max_size=60) | st.text(alphabet="水日本語한국 a", max_size=60)
EXCHANGES = st.lists(st.builds(Exchange, TEXTS, TEXTS), max_size=12)


def contents(bench):
    return [message["content"] for message in bench.last.messages]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("a", 1),
        ("four", 1),
        ("fives", 2),
        ("日本語", 3),
        ("日本語 and", 4),
        ("한국어", 3),
        ("𠀀", 1),
        ("éééé", 1),
    ],
)
def test_estimates(text, count):
    assert tokens(text) == count


@given(TEXTS, st.integers(-2, 40))
def test_a_cut_text_is_the_longest_beginning_within_the_budget(text, most):
    short = cut(text, most)
    assert text.startswith(short)
    assert tokens(short) <= max(most, 0)
    assert short == text or tokens(text[: len(short) + 1]) > most


@given(EXCHANGES, st.integers(-5, 120))
def test_the_newest_that_fit_without_a_gap(exchanges, budget):
    kept = newest(exchanges, budget)
    assert kept == exchanges[len(exchanges) - len(kept) :]
    assert sum(exchange.tokens for exchange in kept) <= max(budget, 0)
    if len(kept) < len(exchanges):
        assert sum(exchange.tokens for exchange in exchanges[-len(kept) - 1 :]) > budget


@given(EXCHANGES, st.integers(0, 200))
def test_what_is_kept_is_recalled(exchanges, budget):
    store: dict[str, object] = {}
    turn = uuid.uuid4()
    keep(store, turn, exchanges, budget)
    store = json.loads(json.dumps(store))
    fitting = newest(exchanges, budget)
    assert recall(store, uuid.uuid4()) == fitting
    assert recall(store, turn) == fitting[:-1]
    roles = [message["role"] for message in store["history"]]
    assert roles == ["user", "assistant"] * len(fitting)


@given(EXCHANGES)
def test_the_newer_half_is_smaller(exchanges):
    half = newer_half(exchanges)
    assert len(half) == len(exchanges) // 2
    assert half == exchanges[len(exchanges) - len(half) :]


@given(st.lists(st.tuples(st.integers(0, 60_000), st.sampled_from("a水🙂\\\x01")), max_size=8))
def test_a_store_is_never_larger_than_a_session_may_keep(sizes):
    store: dict[str, object] = {}
    keep(store, uuid.uuid4(), [Exchange(character * size, "ok") for size, character in sizes], 10**9)
    assert len(json.dumps(store)) <= 100_000


@given(st.data())
def test_a_conversation_stays_within_the_budget(data):
    """The loop of the assistant, without its calls."""
    budget = data.draw(st.integers(0, 60))
    store: dict[str, object] = {}
    said = data.draw(st.lists(st.tuples(TEXTS, TEXTS), max_size=8))
    for text, reply in said:
        turn = uuid.uuid4()
        before = newest(recall(store, turn), budget - tokens(text))
        assert not before or sum(exchange.tokens for exchange in before) + tokens(text) <= budget
        keep(store, turn, [*before, Exchange(text, reply)], budget)


def test_a_second_message_carries_the_first(bench):
    bench.ask("my name is Ann")
    bench.ask("what is my name?")
    assert bench.last.messages == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "my name is Ann"},
        {"role": "assistant", "content": "you said my name is Ann"},
        {"role": "user", "content": "what is my name?"},
    ]


def test_the_oldest_messages_are_left_out_first_and_the_prompt_stays(bench):
    assistant = bench.assistant(history_tokens=40, system_prompt="p" * 400)
    for number in range(10):
        bench.ask(f"message number {number}", assistant)
    assert contents(bench)[0] == "p" * 400
    sent = contents(bench)[1:]
    assert sent[-1] == "message number 9"
    assert sent[-3:-1] == ["message number 8", "you said message number 8"]
    assert "message number 0" not in sent
    assert sum(map(tokens, sent)) <= 40


def test_a_message_larger_than_the_budget_is_sent_alone(bench):
    assistant = bench.assistant(history_tokens=20)
    bench.ask("hello", assistant)
    assert bench.ask("x" * 200, assistant) == f"you said {'x' * 200}"
    assert contents(bench) == ["Be kind.", "x" * 200]
    assert bench.store["history"] == []


def test_without_a_budget_nothing_is_kept(bench):
    assistant = bench.assistant(history_tokens=0)
    bench.ask("one", assistant)
    bench.ask("two", assistant)
    assert contents(bench) == ["Be kind.", "two"]
    assert bench.store["history"] == []


def test_huge_answers_do_not_fill_the_session(bench):
    assistant = bench.assistant(history_tokens=100_000)
    for _ in range(4):
        bench.double.plan(200, completion("🙂" * 3_000))
        bench.ask("more", assistant)
    assert len(json.dumps(bench.store)) <= 100_000
    assert 0 < len(bench.store["history"]) < 8


def test_a_turn_that_is_asked_again_replaces_its_own_entry(bench):
    bench.ask("one")
    turn = bench.turn()
    bench.ask("two", turn=turn)
    bench.double.plan(200, completion("another answer"))
    bench.ask("two", turn=turn)
    assert contents(bench) == ["Be kind.", "one", "you said one", "two"]
    bench.ask("three")
    assert contents(bench)[1:] == ["one", "you said one", "two", "another answer", "three"]


def test_a_retry_after_a_failure_does_not_double_the_message(bench):
    bench.ask("one")
    turn = bench.turn()
    bench.double.plan(500, error("server_error"))
    with pytest.raises(AssistantFailed):
        bench.ask("two", turn=turn)
    bench.ask("two", turn=turn)
    assert contents(bench) == ["Be kind.", "one", "you said one", "two"]
    bench.ask("three")
    assert contents(bench).count("two") == 1

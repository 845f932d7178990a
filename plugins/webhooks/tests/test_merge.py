"""The deep merge, for whatever JSON there is."""

from __future__ import annotations

import copy
import json
import uuid
from typing import Any

import pytest
from hub_webhooks.merge import merged, too_deep
from hub_webhooks.messages import completed, response_of
from hypothesis import given, settings
from hypothesis import strategies as st

from hub import Attachments, HttpResponse, Session, Turn

names = st.text(max_size=4)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
)
values = st.recursive(scalars, lambda below: st.lists(below, max_size=3) | st.dictionaries(names, below, max_size=4))
objects = st.dictionaries(names, values, max_size=5)


unhurried = settings(deadline=None)  # a busy machine is no failure


def same(one, other):
    """Equal, and 1 is not True."""
    return repr(one) == repr(other)


@unhurried
@given(objects)
def test_a_full_echo_is_the_identity(base):
    assert same(merged(base, copy.deepcopy(base)), base)


@unhurried
@given(objects)
def test_nothing_is_the_identity(base):
    assert same(merged(base, {}), base)


@unhurried
@given(objects, objects)
def test_neither_side_is_changed(base, changes):
    before = copy.deepcopy((base, changes))
    merged(base, changes)
    assert same((base, changes), before)


@unhurried
@given(objects, objects)
def test_each_key_follows_its_rule(base, changes):
    result = merged(base, changes)
    assert set(result) <= set(base) | set(changes)
    for name, value in changes.items():
        if value is None:
            assert result.get(name) is None
            assert name not in result or base[name] is None
        elif isinstance(value, dict):
            below = base.get(name)
            assert same(result[name], merged(below if isinstance(below, dict) else {}, value))
        else:
            assert same(result[name], value)
    for name in set(base) - set(changes):
        assert same(result[name], base[name])


@unhurried
@given(objects, objects)
def test_twice_is_like_once(base, changes):
    once = merged(base, changes)
    assert same(merged(once, changes), once)


@unhurried
@given(objects)
def test_null_removes_everything_but_null(base):
    assert merged(base, dict.fromkeys(base)) == {name: None for name, value in base.items() if value is None}


@pytest.mark.parametrize(
    ("base", "changes", "result"),
    [
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": {"b": 1}}, {"a": [1]}, {"a": [1]}),
        ({"a": [1]}, {"a": {"b": 1, "c": None}}, {"a": {"b": 1}}),
        ({}, {"a": {"b": None}}, {"a": {}}),
        ({"a": {"b": {"c": 1, "d": 2}}}, {"a": {"b": {"c": None}}}, {"a": {"b": {"d": 2}}}),
        ({"a": [{"b": 1}]}, {"a": [{"b": None}]}, {"a": [{"b": None}]}),
    ],
)
def test_examples(base, changes, result):
    assert merged(base, changes) == result


@pytest.mark.parametrize(("levels", "deep"), [(1, False), (100, False), (101, True), (500, True)])
@pytest.mark.parametrize("make", [lambda below: {"a": below}, lambda below: [below]])
def test_depth(make, levels, deep):
    value = 1
    for _ in range(levels):
        value = make(value)
    assert too_deep(value) is deep


# --- what is shown to a post-message webhook and was not there

users = st.none() | st.just("") | st.just("u-1")
parts = st.fixed_dictionaries(
    {}, optional={"session_id": users, "system": st.fixed_dictionaries({}, optional={"user_id": users})}
)
contexts = st.fixed_dictionaries({}, optional={"global": parts | objects, "skills": objects})
responses = st.fixed_dictionaries(
    {"output": st.fixed_dictionaries({}, optional={"generic": st.lists(objects, max_size=2)})},
    optional={"context": contexts, "user_id": users},
)


def turn(context: dict[str, Any], session_id: str | None) -> Turn:
    nothing: Any = None
    return Turn(
        id=uuid.uuid4(), assistant="a", integration="i", channel="c", kind="text", person="+15550000002", line="l",
        number="n", correlation="c", session=Session(uuid.uuid4(), session_id, context, 0),
        attachments=Attachments([], nothing, nothing, nothing), services=nothing,
    )  # fmt: skip


def answer(payload: Any) -> HttpResponse:
    return HttpResponse(200, {}, json.dumps({"payload": payload}).encode(), "https://hook.example")


@unhurried
@given(responses, contexts, st.none() | st.just("s-1"))
def test_a_full_echo_of_any_response_is_the_identity(response, stored, session_id):
    before = copy.deepcopy((response, stored))
    sent = completed(response, turn(stored, session_id))
    assert response_of(answer(json.loads(json.dumps(sent))), response, sent) == response
    assert response_of(answer({}), response, sent) == response
    assert same((response, stored), before)


@unhurried
@given(responses, contexts)
def test_every_webhook_sees_a_session_and_a_user(response, stored):
    sent = completed(response, turn(stored, None))
    assert sent["user_id"]
    assert sent["context"]["global"]["session_id"]

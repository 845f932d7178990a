"""Each answer of Twilio leads to the right next step: repeat, ask first, give up, or note an opt-out."""

from __future__ import annotations

from typing import get_args

import pytest
from hub_twilio.errors import ERRORS, Kind, ProviderError, describe, failure
from hypothesis import given
from hypothesis import strategies as st

from hub import SendFailed


def test_table_is_sound() -> None:
    for code, error in ERRORS.items():
        assert error.code == code
        assert error.kind in get_args(Kind)
        assert error.sentence.endswith(".")
        assert len(error.sentence) < 120
    assert len(ERRORS) > 90
    with pytest.raises(TypeError):
        ERRORS[1] = ERRORS[20003]  # type: ignore[index]


@pytest.mark.parametrize(
    "code",
    [20429, 20500, 20503, 21611, 30001, 30003, 30008, 30017, 30022, 30023, 35125, 63017, 63018, 63019, 63038],
)
def test_what_can_succeed_later(code: int) -> None:
    assert ERRORS[code].retryable


def test_nothing_else_can_succeed_later() -> None:
    # Listed above; a new one has to be thought about.
    assert sum(error.retryable for error in ERRORS.values()) == 15


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (21610, ERRORS[21610]),
        ("30007", ERRORS[30007]),
        (99999, ProviderError(99999, "unknown", False, "Twilio error 99999: see https://www.twilio.com/docs/api/errors/99999")),
        (None, ProviderError(0, "unknown", False, "Twilio gave no error code.")),
        ("", ProviderError(0, "unknown", False, "Twilio gave no error code.")),
        ("abc", ProviderError(0, "unknown", False, "Twilio gave no error code.")),
        ("٣٠٠٠٧", ProviderError(0, "unknown", False, "Twilio gave no error code.")),
        ("9" * 5000, ProviderError(0, "unknown", False, "Twilio gave no error code.")),
    ],
)  # fmt: skip
def test_describes_numbers_and_text(code: int | str | None, expected: ProviderError) -> None:
    assert describe(code) == expected


def outcome(error: SendFailed) -> tuple[str, bool, bool, bool, float | None]:
    return error.code, error.retryable, error.unknown, error.opted_out, error.retry_after


@pytest.mark.parametrize(
    ("status", "code", "retry_after", "expected"),
    [
        # Never processed: repeat.
        (429, 20429, None, ("20429", True, False, False, None)),
        (429, 20429, 3.0, ("20429", True, False, False, 3.0)),
        (429, None, 1.5, ("429", True, False, False, 1.5)),
        (429, 99999, None, ("99999", True, False, False, None)),
        # The sender's queue is full: repeat, but not soon.
        (400, 21611, None, ("21611", True, False, False, 60.0)),
        (400, 21611, 5.0, ("21611", True, False, False, 60.0)),
        (400, 21611, 300.0, ("21611", True, False, False, 300.0)),
        # A decision: do not repeat.
        (400, 21610, None, ("21610", False, False, True, None)),
        (400, 21211, None, ("21211", False, False, False, None)),
        (401, 20003, None, ("20003", False, False, False, None)),
        (401, None, None, ("401", False, False, False, None)),
        (404, None, None, ("404", False, False, False, None)),
        (400, 99999, None, ("99999", False, False, False, None)),
        (418, None, None, ("418", False, False, False, None)),
        # It may have been sent: ask first.
        (500, 20500, None, ("20500", True, True, False, None)),
        (503, 20503, 7.0, ("20503", True, True, False, 7.0)),
        (502, None, None, ("502", True, True, False, None)),
        (500, 99999, None, ("99999", True, True, False, None)),
        (408, None, None, ("408", True, True, False, None)),
        (0, None, None, ("0", True, True, False, None)),
    ],
)
def test_answer_leads_to_the_next_step(
    status: int,
    code: int | None,
    retry_after: float | None,
    expected: tuple[str, bool, bool, bool, float | None],
) -> None:
    assert outcome(failure(status, code, retry_after)) == expected


@pytest.mark.parametrize(
    ("status", "code", "sentence"),
    [
        (400, 21610, ERRORS[21610].sentence),
        (401, None, ERRORS[20003].sentence),
        (502, None, ERRORS[20500].sentence),
        (418, None, "Twilio refused the message with HTTP 418 and no code."),
    ],
)
def test_sentence_for_the_operator(status: int, code: int | None, sentence: str) -> None:
    assert str(failure(status, code, None)) == sentence


@given(st.integers(0, 999), st.none() | st.sampled_from(sorted(ERRORS)) | st.integers(-5, 99999))
def test_whatever_may_have_been_sent_is_asked_for_before_a_repeat(status: int, code: int | None) -> None:
    error = failure(status, code, None)
    refused = 400 <= status < 500 and status != 408

    assert error.unknown is not refused
    assert error.retryable or refused
    assert str(error)

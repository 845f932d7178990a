from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hub_simulator.create import Checker
from hub_simulator.errors import ApiError, meaning
from hub_simulator.settings import Settings
from werkzeug.datastructures import MultiDict

SERVICE, EMPTY_SERVICE = "MG" + "1" * 32, "MG" + "2" * 32
NOW = datetime(2026, 11, 22, tzinfo=UTC)
SETTINGS = Settings(services={SERVICE: ("+15550000001",), EMPTY_SERVICE: ()})
GOOD: dict[str, Any] = {"To": "+15550000002", "From": "+15550000001", "Body": "hello"}


def check(changes: dict[str, Any]) -> Any:
    form = {key: value for key, value in (GOOD | changes).items() if value is not None}
    return Checker(SETTINGS, lambda scope, person: person == "+15550000099").check(MultiDict(form), NOW)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"To": None}, 21604),
        ({"To": "abc"}, 21211),
        ({"To": "+1"}, 21211),
        ({"To": "+15550000001"}, 21211),
        ({"From": None}, 21603),
        ({"From": "not?a sender"}, 21212),
        ({"From": "+15559999999"}, 21606),
        ({"From": "Somebody"}, 21606),
        ({"From": "whatsapp:+15559999999"}, 63007),
        ({"From": "+15559999999", "MessagingServiceSid": SERVICE}, 21606),
        ({"MessagingServiceSid": "MG1"}, 21705),
        ({"MessagingServiceSid": "MG" + "9" * 32}, 21705),
        ({"From": None, "MessagingServiceSid": EMPTY_SERVICE}, 21704),
        ({"Body": None}, 21602),
        ({"Body": "  "}, 21602),
        ({"Body": "a" * 1601}, 21617),
        ({"MediaUrl": ["http://a.example/x"] * 11}, 21623),
        ({"MediaUrl": ["x.png"]}, 21620),
        ({"StatusCallback": "not a url"}, 21609),
        ({"StatusCallback": "http://under_score.example/"}, 21609),
        ({"ValidityPeriod": "0"}, 21624),
        ({"ValidityPeriod": "36001"}, 21624),
        ({"ValidityPeriod": "soon"}, 21624),
        ({"ScheduleType": "fixed", "SendAt": "2026-11-22T01:00:00Z"}, 35118),
        ({"ScheduleType": "fixed", "MessagingServiceSid": SERVICE}, 35111),
        ({"ScheduleType": "fixed", "MessagingServiceSid": SERVICE, "SendAt": "soon"}, 35114),
        ({"ScheduleType": "fixed", "MessagingServiceSid": SERVICE, "SendAt": "2026-11-22T00:04:59Z"}, 35114),
        ({"ScheduleType": "fixed", "MessagingServiceSid": SERVICE, "SendAt": "2026-12-28T00:00:00Z"}, 35114),
        ({"To": "+15550000099"}, 21610),
        ({"To": "+15005550001"}, 21211),
        ({"To": "+15005550002"}, 21612),
        ({"To": "+15005550003"}, 21408),
        ({"To": "+15005550004"}, 21610),
        ({"To": "+15005550009"}, 21614),
        ({"From": "+15005550001"}, 21212),
        ({"From": "+15005550007"}, 21606),
        ({"From": "+15005550008"}, 21611),
    ],
)
def test_each_mistake_has_twilios_code_and_a_sentence(changes: dict[str, Any], code: int) -> None:
    with pytest.raises(ApiError) as refused:
        check(changes)
    assert (refused.value.code, refused.value.status) == (code, 400)
    assert meaning(code) != meaning(1)


@pytest.mark.parametrize(
    "changes",
    [
        {"From": "+15005550006"},
        {"To": "+1 (555) 000-0002"},
        {"To": "12345"},
        {"Body": "a" * 1600},
        {"Body": None, "MediaUrl": ["http://127.0.0.1:1/x"] * 10},
        {"Body": None, "ContentSid": "HX" + "3" * 32, "ContentVariables": "{}"},
        {"From": SERVICE},
        {"From": None, "MessagingServiceSid": SERVICE},
        {"ValidityPeriod": "36000"},
        {"StatusCallback": "http://localhost:8000/status#rc=2"},
    ],
)
def test_what_twilio_takes_is_taken(changes: dict[str, Any]) -> None:
    assert check(changes).to


def test_smart_encoding_replaces_look_alikes() -> None:
    assert check({"Body": "“it’s” – ok…", "SmartEncoded": "true"}).body == '"it\'s" - ok...'


def test_the_earliest_schedule_is_five_minutes_ahead() -> None:
    at = NOW + timedelta(minutes=5)
    assert check({"ScheduleType": "fixed", "MessagingServiceSid": SERVICE, "SendAt": at.isoformat()}).send_at == at

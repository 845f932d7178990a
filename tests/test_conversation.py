"""A text in, an answer out: through gunicorn, the store and Twilio's API."""

from conftest import PERSON, MakeWorld


def test_a_text_is_answered(make_world: MakeWorld) -> None:
    world = make_world()
    inbound = world.twilio.text(PERSON, body="hello")
    assert inbound.attempts[0].status == 200
    world.wait_for_answers(1)
    assert world.answers(PERSON) == ["echo hello"]
    assert world.twilio.debugger == []

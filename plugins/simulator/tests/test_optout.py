import pytest
from hub_simulator.optout import STOP_WORDS, BlockList
from hub_simulator.receiver import Receiver
from hub_simulator.testing import RunningSimulator
from twilio.base.exceptions import TwilioRestException

PERSON, NUMBER, OTHER = "+15550000002", "+15550000001", "+15550000009"
SERVICE = "MG" + "5" * 32


@pytest.mark.parametrize("word", sorted(STOP_WORDS))
def test_stop_words_block_in_any_case_and_start_unblocks(word: str) -> None:
    blocks = BlockList()
    reaction = blocks.react(NUMBER, None, PERSON, f" {word.title()} ")
    assert reaction is not None
    assert reaction.reply.startswith("You have successfully been unsubscribed.")
    assert blocks.blocks(NUMBER, PERSON)
    assert not blocks.blocks(OTHER, PERSON)
    assert blocks.react(NUMBER, None, PERSON, "unstop")
    assert not blocks.blocks(NUMBER, PERSON)


def test_a_sentence_is_no_keyword() -> None:
    assert BlockList().react(NUMBER, None, PERSON, "STOP PLEASE") is None


def test_twilio_answers_a_change_once_and_help_always() -> None:
    blocks = BlockList()
    texts = ["STOP", "STOP", "START", "START", "HELP", "HELP"]
    replies = [reaction.reply != "" for text in texts if (reaction := blocks.react(NUMBER, None, PERSON, text))]
    assert replies == [True, False, True, False, True, True]


def test_short_codes_have_no_default_handling() -> None:
    assert BlockList().react("12345", None, PERSON, "STOP") is None
    assert BlockList().react("12345", SERVICE, PERSON, "STOP") is not None


def test_toll_free_numbers_are_the_networks_business() -> None:
    blocks = BlockList()
    reaction = blocks.react("+18005550001", None, PERSON, "STOP")
    assert reaction is not None
    assert reaction.reply.startswith("NETWORK MSG")
    assert blocks.react("+18005550001", None, PERSON, "YES") is None
    assert blocks.react("+18005550001", None, PERSON, "HELP") is None
    assert blocks.react("+18005550001", None, PERSON, "UNSTOP") is not None


def test_stop_reaches_the_webhook_and_blocks_what_follows(twilio: RunningSimulator, hub: Receiver) -> None:
    hub.twiml("/message", "<Message>confirmed</Message>")
    message = twilio.text(PERSON, body="stop")
    [received] = hub.at("/message")
    assert received.form["Body"] == "stop"
    assert "OptOutType" not in received.form
    assert [m.origin for m in twilio.messages(to=PERSON)] == ["twilio"]
    assert [(alert.code, alert.sid) for alert in twilio.debugger] == [(21610, message.sid)]
    with pytest.raises(TwilioRestException) as refused:
        twilio.client().messages.create(to=PERSON, from_=NUMBER, body="x")
    assert (refused.value.status, refused.value.code) == (400, 21610)
    assert twilio.client().messages.create(to=PERSON, from_=OTHER, body="x").status == "queued"
    twilio.text(PERSON, body="START")
    assert twilio.client().messages.create(to=PERSON, from_=NUMBER, body="x").status == "queued"


def test_twilios_own_answers_are_not_in_the_account(twilio: RunningSimulator) -> None:
    twilio.text(PERSON, body="HELP")
    assert [m.direction for m in twilio.client().messages.list(limit=5)] == ["inbound"]
    with pytest.raises(TwilioRestException):
        twilio.client().messages(twilio.messages(to=PERSON)[0].sid).fetch()


def test_advanced_opt_out_names_the_kind(twilio: RunningSimulator, hub: Receiver) -> None:
    twilio.behave(opt_out={"advanced": True})
    for body in ("Quit", "yes", "info", "hello"):
        twilio.text(PERSON, body=body)
    kinds = [request.form.get("OptOutType") for request in hub.at("/message")]
    assert kinds == ["STOP", "START", "HELP", None]


def test_an_opt_out_covers_the_whole_service() -> None:
    with RunningSimulator(numbers=(NUMBER, OTHER), services={SERVICE: (NUMBER, OTHER)}) as twilio:
        twilio.text(PERSON, NUMBER, "STOP")
        for sender in (NUMBER, OTHER, SERVICE):
            with pytest.raises(TwilioRestException) as refused:
                twilio.client().messages.create(to=PERSON, from_=sender, body="x")
            assert refused.value.code == 21610

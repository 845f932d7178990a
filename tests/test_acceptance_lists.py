"""Acceptance cases of lists to choose from, of commands to the channel, and of an assistant that does not answer.

Each test names its case; those without a number are rules of the same contract. White space in texts is compared
collapsed. The stand-in keeps the context as the service does, so a command that was set once comes back with every
later answer unless the hub takes it back.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from typing import Any

import pytest
from acceptance import Line, Site, Talk, running, text
from signed import idle
from watson_service import Failure, Reply, Silence

from hub.testing import wait_until

LINES = (
    Line("sms", ("+15550000001",)),
    Line("farewell", ("+15550000004",), channel={"notify_on_session_timeout": True}),
)
CHANNEL_VARIABLES = {"smsTenantPhoneNumber", "smsUserPhoneNumber", "smsSessionID", "smsMedia"}
FORCED = "smsNoInputTurn"

OPT3 = {
    "response_type": "option",
    "title": "Which cover?",
    "description": "Kinds",
    "options": [
        {"label": label, "value": {"input": {"text": f"{label.lower()} cover"}}} for label in ("Boat", "Car", "House")
    ],
}
DRINKS = {"text": "drinks", "suggestion_id": "s-1", "intents": [{"intent": "order", "confidence": 0.7}]}
SUG2 = {
    "response_type": "suggestion",
    "title": "Did you mean:",
    "suggestions": [
        {"label": "Order a drink", "value": {"input": DRINKS}},
        {"label": "None of the above", "value": {"input": {"text": "drinks", "suggestion_id": "s-9"}}},
    ],
}
COVERS = "Which cover? 1. Boat 2. Car 3. House"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("hub"), *LINES) as site:
        yield site


@pytest.fixture
def talk(site: Site) -> Talk:
    """A conversation of somebody new."""
    return site.talk("sms")


def action(command: str, **parameters: Any) -> dict[str, Any]:
    return {"command": command, "parameters": parameters}


def command(command: str, **parameters: Any) -> dict[str, Any]:
    """A command as a dialog sets it: in its variables."""
    return {"smsAction": action(command, **parameters)}


def element(command: str, **parameters: Any) -> dict[str, Any]:
    """A command as an element of the answer."""
    return {"response_type": "user_defined", "user_defined": {"smsAction": action(command, **parameters)}}


def options_prefix(prefix: str) -> dict[str, Any]:
    return command("smsActSetOptionsConfig", prefixText=prefix)


def ignored(site: Site, name: str) -> list[dict[str, Any]]:
    return [line for line in site.hub.events("command_ignored") if line.get("command") == name]


class TestLists:
    def test_case_41_options_are_numbered_below_their_title(self, talk: Talk) -> None:
        talk.script(Reply([OPT3]))
        assert talk.says("cover") == [COVERS]

    def test_case_42_a_prefix_holds_for_the_list_of_the_same_turn(self, talk: Talk) -> None:
        talk.script(Reply([OPT3], options_prefix("%s.")))
        assert talk.says("cover") == ["Which cover? 1.Boat 2.Car 3.House"]

    def test_case_43_a_prefix_can_be_a_sentence(self, talk: Talk) -> None:
        talk.script(Reply([OPT3], options_prefix("Enter %s for ")))
        assert talk.says("cover") == ["Which cover? Enter 1 for Boat Enter 2 for Car Enter 3 for House"]

    def test_case_44_it_holds_for_the_whole_session(self, talk: Talk) -> None:
        talk.script(Reply([OPT3], options_prefix("Enter %s for ")), text("Fine"), Reply([OPT3]))
        talk.says("cover")
        assert talk.says("something else") == ["Fine"]
        assert talk.says("cover") == ["Which cover? Enter 1 for Boat Enter 2 for Car Enter 3 for House"]
        assert talk.calls("message")[1].variables["smsAction"] is None

    def test_but_not_for_the_session_after_it(self, talk: Talk) -> None:
        bye = Reply(text("Bye").generic, command("terminateSession"))
        talk.script(Reply([OPT3], options_prefix("%s) ")), bye, Reply([OPT3]))
        assert talk.says("cover") == ["Which cover? 1) Boat 2) Car 3) House"]
        assert talk.says("enough") == ["Bye"]
        assert talk.says("cover") == [COVERS]

    @pytest.mark.parametrize("answer", ["2", "2.", " 2) ", "#2"])
    def test_case_45_a_number_picks_an_option(self, talk: Talk, answer: str) -> None:
        assert picked(talk, OPT3, answer) == "car cover"

    def test_case_47_so_does_a_label_in_any_case(self, talk: Talk) -> None:
        assert picked(talk, OPT3, "CAR") == "car cover"

    def test_case_48_a_number_that_is_not_in_the_list_is_a_text(self, talk: Talk) -> None:
        assert picked(talk, OPT3, "9") == "9"

    def test_case_49_anything_else_is_a_text(self, talk: Talk) -> None:
        assert picked(talk, OPT3, "something else") == "something else"

    def test_a_list_is_forgotten_with_the_next_answer(self, talk: Talk) -> None:
        assert picked(talk, OPT3, "something else") == "something else"
        talk.says("2")
        assert talk.inputs[-1] == "2"

    def test_a_list_is_forgotten_with_its_session(self, talk: Talk) -> None:
        talk.script(Reply([OPT3], command("terminateSession")))
        assert talk.says("cover") == [COVERS]
        talk.says("2")
        assert talk.inputs[-1] == "2"

    def test_two_lists_of_an_answer_count_on(self, talk: Talk) -> None:
        talk.script(Reply([OPT3, SUG2]))
        assert talk.says("both") == [f"{COVERS} Did you mean: 4. Order a drink 5. None of the above"]
        talk.says("5")
        assert talk.calls("message")[-1].input["suggestion_id"] == "s-9"

    def test_a_prefix_without_a_number_is_used_as_it_is(self, talk: Talk) -> None:
        talk.script(Reply([OPT3], options_prefix("- ")))
        assert talk.says("cover") == ["Which cover? - Boat - Car - House"]
        talk.says("3")
        assert talk.inputs[-1] == "house cover"

    def test_case_51_suggestions_are_numbered_below_their_title(self, talk: Talk) -> None:
        talk.script(Reply([SUG2]))
        assert talk.says("drinks") == ["Did you mean: 1. Order a drink 2. None of the above"]

    def test_case_53_their_prefix_is_followed_by_a_space(self, talk: Talk) -> None:
        talk.script(Reply([SUG2], command("smsActSetDisambiguationConfig", prefixText="Enter %s for:")))
        assert talk.says("drinks") == ["Did you mean: Enter 1 for: Order a drink Enter 2 for: None of the above"]

    def test_case_54_a_chosen_suggestion_goes_back_unchanged(self, talk: Talk) -> None:
        assert picked(talk, SUG2, "1") == "drinks"
        given = talk.calls("message")[-1].input
        assert {name: value for name, value in given.items() if name not in ("source", "options")} == DRINKS
        assert given["options"]["return_context"] is True

    def test_case_56_the_prefix_of_options_is_not_that_of_suggestions(self, talk: Talk) -> None:
        talk.script(Reply([OPT3], options_prefix("Enter %s for ")), Reply([SUG2]))
        talk.says("cover")
        assert talk.says("drinks") == ["Did you mean: 1. Order a drink 2. None of the above"]


def picked(talk: Talk, shown: dict[str, Any], answer: str) -> str:
    """The input text of the turn in which somebody who was shown a list says `answer`."""
    talk.script(Reply([shown]))
    talk.says("hello")
    talk.says(answer)
    return talk.inputs[-1]


class TestEndOfSession:
    def bye(self, talk: Talk, last: Reply) -> None:
        """The answer `last` says Bye and ends the session, whatever else is in it; nothing of it is known later."""
        talk.script(Reply(text("Hello, Ann").generic, {"name": "Ann"}), last)
        assert talk.says("I am Ann") == ["Hello, Ann"]
        assert talk.says("enough") == ["Bye"]
        create = talk.calls("create")[0]
        assert talk.before_end(create.session) == ["Hello, Ann", "Bye"]
        assert talk.says("hi") == ["you said hi"]
        calls = talk.calls()
        assert [call.kind for call in calls] == ["create", "message", "message", "delete", "create", "message"]
        assert calls[-1].session == calls[-2].session != create.session
        context = calls[-1].body["context"]
        assert set(calls[-1].variables) == CHANNEL_VARIABLES
        assert set(context["skills"]) == {"main skill"}
        assert set(context["global"]) == {"system"}
        assert set(context["global"]["system"]) == {"user_id"}
        assert talk.says("and on") == ["you said and on"]
        assert len(talk.calls("delete")) == 1

    def test_case_57_a_command_of_the_dialog_ends_the_session_after_the_texts(self, talk: Talk) -> None:
        self.bye(talk, Reply(text("Bye").generic, command("terminateSession")))

    def test_case_59_so_does_one_in_the_output(self, talk: Talk) -> None:
        self.bye(talk, Reply(text("Bye").generic, output={"user_defined": command("terminateSession")}))

    def test_case_60_so_does_an_element_which_is_not_shown(self, talk: Talk) -> None:
        ends = {"response_type": "user_defined", "user_defined": {"smsAction": {"command": "terminateSession"}}}
        self.bye(talk, Reply([ends, *text("Bye").generic]))

    def test_a_session_that_times_out_asks_for_a_farewell(self, site: Site) -> None:
        talk = site.talk("farewell")
        talk.script(Reply(text("Hello").generic, command("setSessionTimeoutCount", count="1")), text("Bye then"))
        talk.text("hi")
        wait_until(lambda: len(talk.received) == 2, what="the farewell")
        assert [message.body for message in talk.received] == ["Hello", "Bye then"]
        assert talk.inputs == ["hi", "smsResponseTimeout"]
        idle(site.hub)
        talk.says("again")
        first, *_, last = talk.calls("message")
        assert last.session != first.session


class TestMedia:
    def map(self, talk: Talk) -> str:
        return f"{talk.site.files}/shop.png"

    def test_media_follow_the_texts_once_although_the_context_comes_back(self, talk: Talk) -> None:
        urls = [self.map(talk), f"{talk.site.files}/hello.mp3"]
        talk.script(Reply(text("Here").generic, command("smsActSendMedia", mediaURL=urls)))
        assert talk.says("map") == ["Here", ""]
        assert talk.says("thanks") == ["you said thanks"]
        assert talk.says("bye") == ["you said bye"]
        assert [message.media_urls for message in talk.ended()] == [(), tuple(urls), (), ()]
        assert all(message.status == "delivered" for message in talk.received)
        told = [call.variables.get("smsAction", "nothing") for call in talk.calls("message")]
        assert told == ["nothing", None, "nothing"]

    def test_they_are_sent_again_when_a_later_answer_says_so(self, talk: Talk) -> None:
        here = Reply(text("Here").generic, command("smsActSendMedia", mediaURL=[self.map(talk)]))
        talk.script(here, text("Welcome"), here)
        assert talk.says("map") == ["Here", ""]
        assert talk.says("thanks") == ["Welcome"]
        assert talk.says("map") == ["Here", ""]

    def test_case_62_one_address_may_be_a_string(self, talk: Talk) -> None:
        talk.script(Reply([], command("smsActSendMedia", mediaURL=self.map(talk))))
        assert talk.says("map") == [""]
        (message,) = talk.ended()
        assert message.media_urls == (self.map(talk),)

    def test_case_65_a_sequence_runs_in_order_and_the_session_ends_last(self, talk: Talk) -> None:
        sequence = [
            action("smsActSetOptionsConfig", prefixText="%s) "),
            action("smsActSendMedia", mediaURL=[self.map(talk)]),
            action("terminateSession"),
        ]
        talk.script(Reply([OPT3], {"smsActionSequence": sequence}))
        assert talk.says("cover") == ["Which cover? 1) Boat 2) Car 3) House", ""]
        assert [message.media_urls for message in talk.received] == [(), (self.map(talk),)]
        assert len(talk.before_end(talk.calls("create")[0].session)) == 2
        assert talk.says("2") == ["you said 2"]
        assert [call.kind for call in talk.calls()] == ["create", "message", "delete", "create", "message"]
        assert set(talk.calls("message")[-1].variables) == CHANNEL_VARIABLES


class TestFurtherTurns:
    def test_a_turn_without_input_follows_at_once_and_once(self, talk: Talk) -> None:
        talk.script(Reply(text("One moment").generic, command("smsActForceNoInputTurn")), text("Here you are"))
        assert talk.says("look it up") == ["One moment", "Here you are"]
        assert talk.inputs == ["look it up", FORCED]
        assert talk.calls("message")[1].variables["smsAction"] is None
        assert talk.says("thanks") == ["you said thanks"]
        assert len(talk.calls("create")) == 1

    def test_after_five_such_turns_in_a_row_the_person_has_to_speak(self, talk: Talk) -> None:
        talk.script(then=repeat(Reply([element("smsActForceNoInputTurn")])))
        before = len(talk.site.hub.events("turn_not_forced"))
        talk.says("one")
        assert talk.inputs == ["one", *[FORCED] * 5]
        (line,) = talk.site.hub.events("turn_not_forced")[before:]
        assert line["level"] == "warning"
        talk.says("two")
        assert talk.inputs[6:] == ["two", *[FORCED] * 5]

    def test_an_answer_that_skips_the_input_gets_an_empty_turn(self, talk: Talk) -> None:
        talk.script(Reply(text("Hello").generic, skips=True), text("How can I help?"))
        assert talk.says("hi") == ["Hello", "How can I help?"]
        assert talk.inputs == ["hi", ""]
        assert talk.says("thanks") == ["you said thanks"]


def test_case_67_an_unknown_command_is_ignored_with_a_warning(talk: Talk) -> None:
    talk.script(Reply(text("Hello").generic, command("noSuchCommand")))
    assert talk.says("hi") == ["Hello"]
    assert [line["level"] for line in ignored(talk.site, "noSuchCommand")] == ["warning"]


class TestWithoutAnswer:
    def held(self, talk: Talk) -> list[float]:
        """Seconds until the hub hung up, for each call that was not answered."""
        return [seconds for user, seconds in list(talk.site.service.hung_up) if user == talk.user]

    def test_case_68_the_assistants_own_time_out_cuts_two_attempts_and_then_it_has_failed(self, talk: Talk) -> None:
        talk.script(Reply(text("ok").generic, variables={"smsConversationResponseTimeout": 1000}), Silence(), Silence())
        assert talk.says("one") == ["ok"]
        assert talk.says("two") == ["F!"]
        assert talk.inputs == ["one", "two", "two"]
        wait_until(lambda: len(self.held(talk)) == 2, what="the end of both attempts")
        assert all(0.5 < seconds < 10 for seconds in self.held(talk))
        assert talk.says("three") == ["you said three"]

    def test_case_71_two_errors_of_the_service_are_a_failure_logged_with_its_transaction(self, talk: Talk) -> None:
        talk.script(Failure(500, "gt-1-first"), Failure(500, "gt-2-second"))
        assert talk.says("one") == ["F!"]
        assert talk.inputs == ["one", "one"]
        (line,) = [line for line in talk.site.hub.events("turn_failed") if "gt-2-second" in line["reason"]]
        assert line["level"] == "error"
        assert talk.says("two") == ["you said two"]

    def test_an_error_that_passes_is_not_seen_by_the_person(self, talk: Talk) -> None:
        talk.script(Failure(503, "gt-3-once"), text("here I am"))
        assert talk.says("one") == ["here I am"]
        assert talk.inputs == ["one", "one"]

"""Commands of an assistant: every place they stand in, each run once, and what each comes to."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from hub.commands import Effects, asks_for_turn, cleared, effects, response_timeout
from hub.memory import Memory

BYE: dict[str, Any] = {"command": "terminateSession", "parameters": {}}


def media(*urls: str) -> dict[str, Any]:
    return {"command": "smsActSendMedia", "parameters": {"mediaURL": list(urls)}}


def in_dialog(**variables: Any) -> dict[str, Any]:
    return {"output": {"generic": []}, "context": {"skills": {"main skill": {"user_defined": variables}}}}


def run(response: dict[str, Any], memory: Memory | None = None, *, keeps_context: bool = True) -> Effects:
    return effects(response, memory or Memory(), keeps_context=keeps_context)


PLACES = {
    "dialog context": in_dialog(smsAction=BYE),
    "dialog sequence": in_dialog(smsActionSequence=[BYE]),
    "actions variable": {
        "output": {},
        "context": {"skills": {"actions skill": {"skill_variables": {"smsAction": BYE}}}},
    },
    "output.user_defined": {"output": {"user_defined": {"smsAction": BYE}}},
    "output, version 1": {"output": {"smsAction": BYE}},
    "element": {"output": {"generic": [{"response_type": "user_defined", "user_defined": {"smsAction": BYE}}]}},
    "element's sequence": {
        "output": {"generic": [{"response_type": "user_defined", "user_defined": {"smsActionSequence": [BYE]}}]}
    },
}


class TestPlaces:
    @pytest.mark.parametrize("place", PLACES)
    def test_a_command_is_found_in_each_place(self, place: str) -> None:
        assert run(PLACES[place]).end

    def test_an_element_for_another_channel_is_not(self) -> None:
        element = {"response_type": "user_defined", "user_defined": {"smsAction": BYE}}
        assert run({"output": {"generic": [{**element, "channels": [{"channel": "text_messaging"}]}]}}).end
        assert not run({"output": {"generic": [{**element, "channels": [{"channel": "chat"}]}]}}).end

    def test_a_sequence_runs_in_its_order(self) -> None:
        found = run(in_dialog(smsActionSequence=[media("https://e.example/1"), media("https://e.example/2"), BYE]))
        assert (found.media, found.end) == (["https://e.example/1", "https://e.example/2"], True)

    def test_elements_run_in_list_order(self) -> None:
        prefixes = ["one %s", "two %s"]
        generic = [
            {
                "response_type": "user_defined",
                "user_defined": {
                    "smsAction": {"command": "smsActSetOptionsConfig", "parameters": {"prefixText": prefix}}
                },
            }
            for prefix in prefixes
        ]
        assert run({"output": {"generic": generic}}).option_prefix == "two %s"

    def test_the_same_command_in_two_places_runs_once(self) -> None:
        response = in_dialog(smsAction=media("https://e.example/1"))
        response["output"]["user_defined"] = {"smsAction": media("https://e.example/1")}
        assert run(response).media == ["https://e.example/1"]

    @pytest.mark.parametrize("value", [7, "terminateSession", [[BYE]], {"parameters": {}}, {"command": 7}, [None]])
    def test_what_is_no_command_is_told_and_harms_nothing(self, value: Any) -> None:
        with capture_logs() as logs:
            found = run(in_dialog(smsAction=value))
        assert not found.end
        assert [line["event"] for line in logs] == ["command_ignored"]


class TestOnce:
    """The context comes back with every answer (contract: SMS with Twilio, traps)."""

    def test_a_command_that_is_still_there_is_not_run_again(self) -> None:
        first = run(in_dialog(smsAction=BYE))
        assert not run(in_dialog(smsAction=BYE), Memory(ran=first.ran)).end

    def test_a_changed_one_is(self) -> None:
        first = run(in_dialog(smsAction=media("https://e.example/1")))
        again = run(in_dialog(smsAction=media("https://e.example/2")), Memory(ran=first.ran))
        assert again.media == ["https://e.example/2"]

    def test_one_that_was_gone_in_between_is(self) -> None:
        first = run(in_dialog(smsAction=BYE))
        between = run(in_dialog(smsAction=None), Memory(ran=first.ran))
        assert run(in_dialog(smsAction=BYE), Memory(ran=between.ran)).end

    def test_an_assistant_that_was_seen_to_heed_the_null_may_repeat_itself(self) -> None:
        first = run(in_dialog(smsAction=BYE))
        between = run(in_dialog(), Memory(ran=first.ran))
        assert between.heeds
        third = run(in_dialog(smsAction=BYE), Memory(ran=between.ran, heeds=between.heeds))
        assert run(in_dialog(smsAction=BYE), Memory(ran=third.ran, heeds=third.heeds)).end

    def test_an_answer_without_a_context_shows_nothing(self) -> None:
        assert not run({"output": {}}, Memory(ran={"main skill.smsAction": "x"})).heeds

    def test_the_next_request_takes_it_back(self) -> None:
        response = in_dialog(smsAction=BYE)
        response["context"]["skills"]["actions skill"] = {"skill_variables": {"smsActionSequence": [BYE]}}
        assert cleared(run(response).ran) == {
            "skills": {
                "main skill": {"user_defined": {"smsAction": None}},
                "actions skill": {"skill_variables": {"smsActionSequence": None}},
            }
        }
        assert cleared({}) == {}

    def test_where_the_hub_keeps_the_context_one_that_is_back_was_set_again(self) -> None:
        first = run(in_dialog(smsAction=BYE), keeps_context=False)
        assert run(in_dialog(smsAction=BYE), Memory(ran=first.ran), keeps_context=False).end

    def test_outside_the_context_every_command_counts(self) -> None:
        for _ in range(2):
            assert run({"output": {"user_defined": {"smsAction": BYE}}}).end


class TestEach:
    def command(self, name: str, parameters: Any, key: str = "parameters") -> Effects:
        return run(in_dialog(smsAction={"command": name, key: parameters}))

    def test_case_62_media_given_as_a_string_is_a_list_of_one(self) -> None:
        assert self.command("smsActSendMedia", {"mediaURL": "https://e.example/1"}).media == ["https://e.example/1"]

    @pytest.mark.parametrize("name", ["smsActSendMedia", "vsmsActSendMedia"])
    def test_a_misspelling_of_the_documentation_is_understood(self, name: str) -> None:
        assert self.command(name, {"mediaURL": ["https://e.example/1"]}).media == ["https://e.example/1"]

    def test_the_property_may_be_called_parameter(self) -> None:
        assert self.command("smsActSetOptionsConfig", {"prefixText": "%s) "}, "parameter").option_prefix == "%s) "

    def test_the_two_prefixes_are_apart(self) -> None:
        found = self.command("smsActSetDisambiguationConfig", {"prefixText": "Enter %s for:"})
        assert (found.option_prefix, found.suggestion_prefix) == (None, "Enter %s for:")

    @pytest.mark.parametrize("count", [300, "300", 300.0])
    def test_a_session_time_out_may_be_a_number_or_a_text(self, count: Any) -> None:
        assert self.command("setSessionTimeoutCount", {"count": count}).session_timeout == 300

    def test_a_turn_without_input(self) -> None:
        assert self.command("smsActForceNoInputTurn", None).force_turn

    @pytest.mark.parametrize(
        ("name", "parameters"),
        [
            ("noSuchCommand", {}),
            ("smsActSetConversationConfig", {"workspaceID": "w"}),
            ("setSessionTimeoutCount", {"count": 0}),
            ("setSessionTimeoutCount", {"count": "soon"}),
            ("setSessionTimeoutCount", {"count": True}),
            ("setSessionTimeoutCount", {"count": "nan"}),
            ("setSessionTimeoutCount", {}),
            ("smsActSetOptionsConfig", {"prefixText": 7}),
            ("smsActSetOptionsConfig", {"prefixText": "x" * 201}),
            ("smsActSendMedia", {"mediaURL": []}),
            ("smsActSendMedia", {"mediaURL": [7, None, " "]}),
            ("smsActSendMedia", "nonsense"),
        ],
    )
    def test_case_67_what_cannot_be_done_is_ignored_with_a_warning(self, name: str, parameters: Any) -> None:
        with capture_logs() as logs:
            found = self.command(name, parameters)
        assert [(line["event"], line["command"], line["log_level"]) for line in logs] == [
            ("command_ignored", name, "warning")
        ]
        assert (found.end, found.media, found.force_turn, found.session_timeout) == (False, [], False, None)
        assert (found.option_prefix, found.suggestion_prefix) == (None, None)


class TestVariables:
    @pytest.mark.parametrize(
        ("value", "seconds"),
        [(1000, 1.0), ("2500", 2.5), (10, 0.1), (10**9, 300.0), (0, None), (-5, None), ("x", None), (None, None),
         (True, None), ([], None)],
    )  # fmt: skip
    def test_the_response_time_out_is_in_milliseconds(self, value: Any, seconds: float | None) -> None:
        context = in_dialog(smsConversationResponseTimeout=value)["context"]
        assert response_timeout(context) == seconds

    def test_an_actions_assistant_sets_it_among_its_skill_variables(self) -> None:
        variables = {"skill_variables": {"smsConversationResponseTimeout": "1500"}}
        assert response_timeout({"skills": {"actions skill": variables}}) == 1.5

    def test_skip_user_input_asks_for_a_turn(self) -> None:
        assert asks_for_turn({"output": {}, "context": {"global": {"system": {"skip_user_input": True}}}})
        assert not asks_for_turn({"output": {}, "context": {"global": {"system": {"skip_user_input": "true"}}}})
        assert not asks_for_turn({"output": {}, "context": {"global": "odd"}})
        assert not asks_for_turn({"output": {}})


def test_memory_keeps_only_what_is_not_as_at_the_beginning() -> None:
    assert Memory().row() == {}
    memory = Memory(option_prefix="%s) ", forced=2, stores={"p": {"a": 1}})
    assert Memory.of(memory.row()) == memory
    assert Memory.of({"forced": 1, "of a later version": 5}) == Memory(forced=1)

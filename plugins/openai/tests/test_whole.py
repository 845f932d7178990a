"""The plugin in a running hub, with the simulated provider and the stand-in for the endpoint."""

from __future__ import annotations

from pathlib import Path

from chat_endpoint import API_KEY, MODEL, running
from hub_simulator.testing import RunningSimulator

from hub.testing import RunningHub

NUMBER, PERSON = "+15550000001", "+15550000002"


def test_a_conversation_outlives_the_hub(tmp_path: Path) -> None:
    environment = {"HUB_PLUGINS": "twilio,openai", "OPENAI_API_KEY": API_KEY}
    with running() as double, RunningSimulator(numbers=(NUMBER,)) as twilio, RunningHub(tmp_path, environment) as hub:
        assistant = {"base_url": double.url, "api_key": API_KEY, "model": MODEL, "system_prompt": "Be kind."}
        provider = {
            "account_sid": twilio.account_sid, "auth_tokens": [twilio.auth_token], "phone_numbers": [NUMBER],
            "base_url": twilio.url, "failure_message": "F!",
        }  # fmt: skip
        sms = {"channel": "sms_twilio", "assistant": "test", "settings": provider}
        hub.apply(
            {"assistant": {"test": {"plugin": "openai", "settings": assistant}}, "integration": {"test-sms": sms}}
        )
        twilio.configure(message_url=f"{hub.url}/webhooks/test-sms/message")

        def text(body: str, media: tuple[tuple[str, bytes], ...] = ()) -> str:
            before = len(twilio.messages(to=PERSON))
            twilio.text(PERSON, body=body, media=media)
            (answer,) = twilio.wait_for(lambda found: [each for each in found if each.to == PERSON][before:], 30)
            return answer.body

        assert text("my name is Ann") == "you said my name is Ann"
        assert text("and mine?") == "you said and mine?"
        history = ["Be kind.", "my name is Ann", "you said my name is Ann", "and mine?"]
        assert [message["content"] for message in double.calls[-1].messages] == history

        hub.kill()
        hub.start()
        picture = b"\x89PNG\r\n\x1a\n" + bytes(100)
        assert text("look", (("image/png", picture),)) == "you said 2 parts"
        sent = double.calls[-1].messages
        assert [message["content"] for message in sent[:-1]] == [*history, "you said and mine?"]
        assert sent[-1]["content"][1]["image_url"]["url"].startswith("data:image/png;base64,")

        double.plan(500, {})
        assert text("still there?") == "you said still there?"
        assert len(hub.events("assistant_asked_again")) == 1
        double.plan(401, {"error": {"message": f"wrong key {API_KEY}", "code": "invalid_api_key"}})
        assert text("hello?") == "F!"
        assert [event["code"] for event in hub.events("turn_failed")] == ["401"]
        assert API_KEY not in hub.log
        assert text("hello again") == "you said hello again"
        assert [message["content"] for message in double.calls[-1].messages].count("hello?") == 0
        assert "test" in hub.command("doctor", "--call", check=False).stdout

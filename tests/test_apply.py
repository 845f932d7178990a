"""``hub apply``: the whole file or nothing, twice is like once, and no secret is readable in the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from inprocess import SECRET_KEY, LocalHub
from pydantic import SecretStr
from sqlalchemy import select, update

from hub import Settings, clock
from hub.apply import Applied, apply, read_file, secret_fields
from hub.errors import ConfigError
from hub.store.models import Assistant, Base, Integration, PluginSecret
from hub.vault import Vault

SECRET = "hunter2-hunter2"
SETTINGS = "integration.support-sms.settings"
FILE = """
[assistant.support]
plugin = "double"
settings = { double = "x", api_key = { env = "API_KEY" }, tags = ["a", "b"] }

[integration.support-sms]
channel = "sms_double"
assistant = "support"
line = "main"

[integration.support-sms.settings]
double = "x"
failure_message = "Sorry …"
session_timeout = 60
token = "plain-hunter2"
tokens = [{ env = "TOKEN" }, { env = "API_KEY" }]
"""
ENVIRONMENT = {"API_KEY": SECRET, "TOKEN": "other-hunter2"}
Apply = Callable[..., list[Applied]]


@pytest.fixture
def local(database_url: str, tmp_path: Path) -> Iterator[LocalHub]:
    with LocalHub(database_url, tmp_path) as hub:
        hub.hub.store.write(lambda connection: [connection.execute(table.delete()) for table in _tables()])
        yield hub


def _tables() -> list[Any]:
    return [Integration.__table__, Assistant.__table__]


@pytest.fixture
def apply_text(local: LocalHub, tmp_path: Path) -> Apply:
    """Applies a text, or FILE with `replacements`, as ``hub apply`` does."""

    def run(text: str = FILE, *replacements: tuple[str, str], environ: dict[str, str] | None = None) -> list[Applied]:
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        file = tmp_path / "hub.toml"
        file.write_text(text)
        document = read_file(file, ENVIRONMENT if environ is None else environ)
        return apply(document, local.hub.store, local.hub.registry, local.hub.vault)

    return run


def everything(local: LocalHub) -> dict[str, list[Any]]:
    with local.hub.store.read() as connection:
        return {table.name: list(connection.execute(select(table)).all()) for table in _tables()}


class TestChanges:
    def test_what_is_new_is_created_and_applying_it_again_changes_nothing(
        self, apply_text: Apply, local: LocalHub
    ) -> None:
        assert apply_text() == [
            Applied("assistant", "support", "created"),
            Applied("integration", "support-sms", "created", "sms_double"),
        ]
        before = everything(local)
        assert [done.change for done in apply_text()] == ["unchanged", "unchanged"]
        assert everything(local) == before

    def test_the_stored_settings_are_those_of_the_file(self, apply_text: Apply, local: LocalHub) -> None:
        apply_text()
        bound = local.bound("support-sms")
        settings = bound.channel.integration.settings  # type: ignore[union-attr]
        assert (bound.line, bound.assistant.name, settings.session_timeout) == ("main", "support", 60)
        assert [token.get_secret_value() for token in settings.tokens] == ["other-hunter2", SECRET]
        assert bound.assistant.instance.settings.api_key.get_secret_value() == SECRET  # type: ignore[union-attr]

    def test_what_the_file_does_not_name_is_kept(self, apply_text: Apply, local: LocalHub) -> None:
        apply_text()
        changes = apply_text(
            "[integration.support-sms]\nsettings = { session_timeout = 90 }\n"
            "[assistant.new]\nplugin = 'double'\nsettings = { double = 'y' }\n"
        )
        assert [(done.name, done.change) for done in changes] == [("new", "created"), ("support-sms", "updated")]
        local.hub.directory.refresh()
        bound = local.bound("support-sms")
        settings = bound.channel.integration.settings  # type: ignore[union-attr]
        assert (settings.session_timeout, settings.failure_message, bound.line) == (90, "Sorry …", "main")
        assert settings.token.get_secret_value() == "plain-hunter2"
        assert bound.assistant.name == "support"

    def test_a_changed_secret_is_an_update(self, apply_text: Apply, local: LocalHub) -> None:
        apply_text()
        assert [done.change for done in apply_text(environ={**ENVIRONMENT, "TOKEN": "new"})] == ["unchanged", "updated"]

    def test_a_line_named_after_a_number_is_that_number(self, apply_text: Apply, local: LocalHub) -> None:
        apply_text(FILE, ('"main"', '"+1 (555) 000-0001"'))
        assert local.bound("support-sms").line == "+15550000001"

    def test_a_running_hub_takes_the_change_over_at_its_next_sweep(self, apply_text: Apply, local: LocalHub) -> None:
        apply_text()
        before = local.bound("support-sms")
        apply_text(FILE, ("60", "61"))
        local.hub.directory.refresh()
        after = local.bound("support-sms")
        assert (before.options.session_timeout, after.options.session_timeout) == (60, 61)


class TestRefusals:
    @pytest.fixture
    def local(self, tmp_path: Path) -> Iterator[LocalHub]:
        with LocalHub(f"sqlite:///{tmp_path / 'hub.sqlite3'}", tmp_path) as hub:
            hub.hub.store.write(lambda connection: [connection.execute(table.delete()) for table in _tables()])
            yield hub

    @pytest.mark.parametrize(
        ("old", "new", "sentence"),
        [
            ("[assistant.support]", "[asistant.support]", "asistant: unknown key"),
            ("[assistant.support]", "[channels]\n[assistant.support]", "channels: unknown key"),
            ('plugin = "double"', 'plugin = "double"\nplugins = 1', "assistant.support.plugins: unknown key"),
            ('line = "main"', 'lines = "main"', "integration.support-sms.lines: unknown key"),
            ("session_timeout", "sesion_timeout", f"{SETTINGS}.sesion_timeout: "),
            ('double = "x", api_key', 'double = "x", apikey = 1, api_key', "assistant.support.settings.apikey: "),
            ('plugin = "double"', 'plugin = "watson"', "assistant.support.plugin: no assistant plugin watson"),
            ('plugin = "double"', "plugin = 1", "assistant.support.plugin: must be a text"),
            ('plugin = "double"\n', "", "assistant.support.plugin: is missing"),
            ('"sms_double"', '"sms_nobody"', "integration.support-sms.channel: no channel sms_nobody"),
            ('channel = "sms_double"\n', "", "integration.support-sms.channel: is missing"),
            ('assistant = "support"\n', "", "integration.support-sms.assistant: is missing"),
            ('assistant = "support"', 'assistant = "nobody"', "integration.support-sms.assistant: there is no"),
            ('assistant = "support"', "assistant = 7", "integration.support-sms.assistant: must be a text"),
            ("session_timeout = 60", 'session_timeout = "soon"', f"{SETTINGS}.session_timeout: "),
            ("session_timeout = 60", "session_timeout = 0", f"{SETTINGS}.session_timeout: "),
            ("session_timeout = 60", "session_timeout = 1.5", f"{SETTINGS}.session_timeout: "),
            ('failure_message = "Sorry …"', "failure_message = 5", f"{SETTINGS}.failure_message: "),
            ('token = "plain-hunter2"', "token = ['hunter2']", f"{SETTINGS}.token: "),
            ('tags = ["a", "b"]', 'tags = "ab"', "assistant.support.settings.tags: "),
            ('tags = ["a", "b"]', "tags = [1]", "assistant.support.settings.tags.0: "),
            ('double = "x", api_key', "api_key", "assistant.support.settings.double: "),
            ('"API_KEY" }, tags', '"NOT_SET" }, tags', "support.settings.api_key: the environment variable NOT_SET"),
            ('"TOKEN" }', '"NOT_SET" }', f"{SETTINGS}.tokens.0: the environment variable NOT_SET"),
            ("[assistant.support]", '[assistant."no spaces"]', "assistant.no spaces: a name has"),
            ("[assistant.support]", f"[assistant.{'x' * 64}]", f"assistant.{'x' * 64}: a name has"),
            ("[assistant.support]", '[assistant.""]', "assistant.: a name has"),
        ],
    )  # fmt: skip
    def test_a_mistake_is_named_by_its_key_and_nothing_is_changed(
        self, apply_text: Apply, local: LocalHub, old: str, new: str, sentence: str
    ) -> None:
        with pytest.raises(ConfigError) as caught:
            apply_text(FILE, (old, new))
        assert sentence in str(caught.value)
        assert "hunter2" not in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1
        assert everything(local) == {"assistant": [], "integration": []}

    @pytest.mark.parametrize(
        "text", ["assistant = 1", "assistant.x = 1", "integration = []", 'assistant = { x = "y" }']
    )
    def test_tables_must_be_tables(self, apply_text: Apply, text: str) -> None:
        with pytest.raises(ConfigError, match=r"^(assistant|integration)(\.x)?: must be a table"):
            apply_text(text)

    def test_settings_must_be_a_table(self, apply_text: Apply) -> None:
        with pytest.raises(ConfigError, match=r"^assistant\.x\.settings: must be a table"):
            apply_text("[assistant.x]\nplugin = 'double'\nsettings = 'x'")

    @pytest.mark.parametrize("content", [b"[assistant", b"a = 1\na = 2", b"\xff\xfe", b"x = hunter2"])
    def test_a_file_that_is_not_toml_is_refused_with_its_name(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "bad.toml").write_bytes(content)
        with pytest.raises(ConfigError, match=r"bad\.toml: "):
            read_file(tmp_path / "bad.toml", {})

    def test_a_file_that_is_not_there_is_refused_with_its_name(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"no\.toml: No such file"):
            read_file(tmp_path / "no.toml", {})

    def test_an_empty_variable_counts_as_unset(self, apply_text: Apply) -> None:
        with pytest.raises(ConfigError, match="TOKEN is not set"):
            apply_text(environ={**ENVIRONMENT, "TOKEN": ""})


class TestSecrets:
    def test_no_secret_is_readable_in_the_database(self, apply_text: Apply, local: LocalHub, tmp_path: Path) -> None:
        apply_text()
        with local.hub.store.read() as connection:
            for table in Base.metadata.tables.values():
                assert "hunter2" not in repr(connection.execute(select(table)).all()), table.name
        local.hub.store.close()
        for file in tmp_path.glob("hub.sqlite3*"):
            assert b"hunter2" not in file.read_bytes()

    def test_only_a_hub_with_the_key_can_read_them(self, apply_text: Apply, local: LocalHub) -> None:
        apply_text()
        (row,) = local.rows(Assistant)
        assert Vault([Fernet.generate_key().decode(), SECRET_KEY]).open(row.secrets) == {"api_key": SECRET}
        with pytest.raises(ConfigError, match="HUB_SECRET_KEYS"):
            Vault([Fernet.generate_key().decode()]).open(row.secrets)

    def test_an_integration_whose_secrets_cannot_be_read_says_so_and_harms_no_other(
        self, apply_text: Apply, local: LocalHub
    ) -> None:
        apply_text()
        sealed = Vault([Fernet.generate_key().decode()]).seal({"token": "x"})
        change = update(Integration).values(secrets=sealed)
        local.hub.store.write(lambda connection: connection.execute(change))
        bound = local.bound("support-sms")
        assert bound.channel is None
        assert "HUB_SECRET_KEYS" in str(bound.error)

    def test_every_form_of_a_secret_setting_is_known_as_one(self) -> None:
        class Below(Settings):
            password: SecretStr

        class All(Settings):
            plain: str
            one: SecretStr
            perhaps: SecretStr | None = None
            several: tuple[SecretStr, ...] = ()
            named: dict[str, SecretStr] = {}  # noqa: RUF012
            nested: Below | None = None

        assert secret_fields(All) == {"one", "perhaps", "several", "named", "nested"}

    def test_the_settings_object_does_not_print_its_secrets(self, apply_text: Apply, local: LocalHub) -> None:
        apply_text()
        bound = local.bound("support-sms")
        assert "hunter2" not in repr(bound.channel.integration)  # type: ignore[union-attr]


NOTE = """
[assistant.support.note]
word = "hello"
secret = { env = "API_KEY" }
"""


class TestSections:
    """Tables that plugins add to an assistant."""

    def section(self, local: LocalHub) -> Any:
        local.hub.directory.refresh()
        return local.bound("support-sms").assistant.sections.get("note")

    def test_it_is_stored_and_parsed_and_applying_it_again_changes_nothing(
        self, apply_text: Apply, local: LocalHub
    ) -> None:
        apply_text(FILE + NOTE)
        settings = self.section(local)
        assert (settings.word, settings.secret.get_secret_value()) == ("hello", SECRET)
        assert {done.change for done in apply_text(FILE + NOTE)} == {"unchanged"}

    def test_what_a_later_file_does_not_name_is_kept(self, apply_text: Apply, local: LocalHub) -> None:
        apply_text(FILE + NOTE)
        assert {done.change for done in apply_text(FILE)} == {"unchanged"}
        apply_text("[assistant.support.note]\nword = 'bye'")
        settings = self.section(local)
        assert (settings.word, settings.secret.get_secret_value()) == ("bye", SECRET)

    def test_switched_off_it_keeps_its_details(self, apply_text: Apply, local: LocalHub) -> None:
        apply_text(FILE + NOTE)
        apply_text("[assistant.support]\nnote = { enabled = false }")
        assert self.section(local) is None
        apply_text("[assistant.support]\nnote = { enabled = true }")
        assert self.section(local).secret.get_secret_value() == SECRET

    def test_false_removes_it_with_its_secret(self, apply_text: Apply, local: LocalHub) -> None:
        apply_text(FILE + NOTE)
        assert apply_text("[assistant.support]\nnote = false")[0].change == "updated"
        (row,) = local.rows(Assistant)
        assert (row.sections, row.section_secrets) == ({}, None)
        assert self.section(local) is None

    @pytest.mark.parametrize(
        ("table", "message"),
        [
            ("note = 7", "assistant.support.note: must be a table, or false to remove it"),
            ("note = { }", "assistant.support.note.word: Field required"),
            ("note = { word = 'x', wrod = 'y' }", "assistant.support.note.wrod: Extra inputs are not permitted"),
            ("notes = { }", "assistant.support.notes: unknown key (known: note, plugin, settings)"),
        ],
    )
    def test_what_is_wrong_is_named_and_changes_nothing(
        self, apply_text: Apply, local: LocalHub, table: str, message: str
    ) -> None:
        apply_text()
        before = everything(local)
        with pytest.raises(ConfigError) as caught:
            apply_text(f"[assistant.support]\n{table}")
        assert str(caught.value).startswith(message)
        assert everything(local) == before

    def test_no_secret_of_it_is_readable_in_the_database(self, apply_text: Apply, local: LocalHub) -> None:
        apply_text(FILE + NOTE)
        assert SECRET not in str(everything(local))

    def test_an_assistant_with_a_section_nobody_takes_does_not_answer_as_if_it_had_none(
        self, apply_text: Apply, local: LocalHub
    ) -> None:
        apply_text(FILE + NOTE)
        local.hub.store.write(
            lambda connection: connection.execute(update(Assistant).values(sections={"gone": {"x": 1}}))
        )
        local.hub.registry.sections.pop("note")
        local.hub.directory._stamp = None
        local.hub.directory.refresh()
        assistant = local.bound("support-sms").assistant
        assert assistant.instance is None
        assert assistant.error == "ConfigError: no loaded plugin takes its section gone"


def test_a_change_is_noticed_whatever_the_clock_of_the_host_that_made_it(apply_text: Apply, local: LocalHub) -> None:
    apply_text()
    local.hub.directory.refresh()
    assert local.bound("support-sms").line == "main"
    behind = clock.now() - timedelta(days=1)
    local.hub.store.write(
        lambda connection: connection.execute(update(Integration).values(line="other", updated_at=behind))
    )
    local.hub.directory.refresh()
    assert local.bound("support-sms").line == "other"


class TestPluginSecrets:
    def test_a_value_is_kept_encrypted_by_plugin_and_name(self, local: LocalHub) -> None:
        secrets = local.hub.directory.services("one").secrets
        assert secrets.get("token") is None
        secrets.put("token", {"refresh_token": SECRET})
        secrets.put("token", {"refresh_token": f"{SECRET}-2"})
        assert secrets.get("token") == {"refresh_token": f"{SECRET}-2"}
        assert local.hub.directory.services("two").secrets.get("token") is None
        (row,) = local.rows(PluginSecret)
        assert SECRET not in row.sealed

    def test_a_value_that_is_too_large_is_refused(self, local: LocalHub) -> None:
        with pytest.raises(ConfigError, match="100000 bytes"):
            local.hub.directory.services("one").secrets.put("token", {"x": "y" * 100_000})

"""The plugin registry contains what goes wrong; every hook is documented and used; plugins keep to their door."""

from __future__ import annotations

import ast
import configparser
import json
import re
import sys
import textwrap
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import hooking
import pytest
from conftest import TEST_PLUGINS
from hooking import Install
from hooking import appending as premessage
from inprocess import MINE, LocalHub
from structlog.testing import capture_logs

import hub
from hub import hookspecs
from hub.plugins import GROUP, Plugin, Registry
from hub.testing import RunningHub

SHELF = Path(__file__).parent.parent / "plugins"
FIRST_PARTY = sorted(folder.name for folder in SHELF.iterdir() if (folder / "setup.cfg").exists())
HOOKS = sorted(name for name, value in vars(hookspecs).items() if hasattr(value, f"{hookspecs.PROJECT}_spec"))
HOOKED = EntryPoint("hooked", "hub_hooked", GROUP)
BROKEN = EntryPoint("broken", "hub_broken", GROUP)
CLICK = "import click\n@click.command('{0}')\ndef {0}(): pass\n"

def returning(hook: str, value: str) -> str:
    return f"@hookimpl\ndef {hook}():\n    return {value}\n"


def named(registry: Registry, name: str) -> Plugin:
    return next(plugin for plugin in registry.plugins if plugin.name == name)


def pass_through(registry: Registry, text: str = "") -> str:
    """What the premessage hooks make of `text`."""
    request = hooking.premessage(registry, text)
    assert isinstance(request, dict)
    return str(request["input"]["text"])


class TestContainment:
    def test_a_plugin_that_cannot_be_imported_is_listed_and_harms_nobody(self, install: Install) -> None:
        with capture_logs() as logs:
            registry = Registry(found=[BROKEN, MINE, install("zoo", premessage("z"))])
        assert [(plugin.name, plugin.status) for plugin in registry.plugins] == [
            ("broken", "failed"), ("inprocess", "loaded"), ("zoo", "loaded"),
        ]  # fmt: skip
        assert registry.failed()[0].error == "RuntimeError: this plugin is broken on purpose"
        assert [(line["event"], line["plugin"]) for line in logs] == [("plugin_failed", "broken")]
        assert pass_through(registry) == "z"

    def test_a_missing_module_is_a_failed_plugin(self) -> None:
        registry = Registry(found=[EntryPoint("gone", "hub_gone_for_good", GROUP)])
        assert "hub_gone_for_good" in str(named(registry, "gone").error)

    def test_a_misspelt_hook_is_told_by_its_name(self, install: Install) -> None:
        source = "@hookimpl\ndef premesage(turn, request): ...\n"
        registry = Registry(found=[install("typo", source), install("zoo", premessage("z"))])
        assert "premesage" in str(named(registry, "typo").error)
        assert pass_through(registry) == "z"

    def test_a_hook_with_an_unknown_argument_is_refused(self, install: Install) -> None:
        registry = Registry(found=[install("typo", "@hookimpl\ndef premessage(turn, requets): ...\n")])
        assert "requets" in str(named(registry, "typo").error)

    @pytest.mark.parametrize("kind", ["wrapper", "hookwrapper"])
    def test_a_hook_wrapper_is_refused(self, install: Install, kind: str) -> None:
        source = f"@hookimpl({kind}=True)\ndef premessage(turn, request):\n    return (yield)\n"
        registry = Registry(found=[install("wrapping", source)])
        assert "wrapper" in str(named(registry, "wrapping").error)
        assert not registry.implementations("premessage")

    @pytest.mark.parametrize("hook", ["register_channels", "register_assistants", "register_commands"])
    @pytest.mark.parametrize("value", ["None", "'text'", "[1]", "{}", "1/0"])
    def test_a_registration_that_returns_nonsense_or_raises_fails_its_plugin_only(
        self, install: Install, hook: str, value: str
    ) -> None:
        registry = Registry(found=[install("bad", returning(hook, value)), MINE])
        plugin = named(registry, "bad")
        assert plugin.status == "failed"
        assert plugin.error == ("ZeroDivisionError: division by zero" if value == "1/0" else plugin.error)
        assert value == "1/0" or hook in str(plugin.error)
        assert named(registry, "inprocess").status == "loaded"

    @pytest.mark.parametrize(
        ("kind", "source"),
        [
            ("channel", returning("register_channels", "[ChannelType(n, '', TextChannel) for n in ('{0}', 'same')]")),
            ("assistant", returning("register_assistants", "[AssistantType(n, '', 0, 0) for n in ('{0}', 'same')]")),
            ("command", CLICK.format("same") + CLICK + returning("register_commands", "[{0}, same]")),
        ],
    )  # fmt: skip
    def test_a_name_that_is_taken_names_both_distributions(self, install: Install, kind: str, source: str) -> None:
        first = install("a", source.replace("{0}", "one"), "hub-first")
        second = install("b", source.replace("{0}", "two"), "hub-second")
        registry = Registry(found=[second, first])
        table: dict[str, Any] = getattr(registry, f"{kind}s")
        loser = named(registry, "b")
        assert sorted(table) == ["one", "same"]
        assert named(registry, "a").status == "loaded"
        assert loser.distribution == "hub-second"
        assert re.search(rf"{kind} same .*hub-first", str(loser.error))
        assert (loser.channels, loser.assistants, loser.hooks) == ([], [], [])

    def test_of_two_plugins_of_the_same_name_one_works_and_the_other_names_it(self, install: Install) -> None:
        found = [install("twin", premessage("1"), "hub-first"), install("twin", premessage("2"), "hub-second")]
        for order in (found, found[::-1]):
            registry = Registry(found=order)
            assert [plugin.status for plugin in registry.plugins] == ["loaded", "failed"]
            assert {plugin.distribution for plugin in registry.plugins} == {"hub-first", "hub-second"}
            assert pass_through(registry) == "1"


class TestAllowList:
    @pytest.fixture
    def found(self, install: Install) -> list[EntryPoint]:
        return [install("a", premessage("a")), install("b", premessage("b")), BROKEN]

    def statuses(self, registry: Registry) -> dict[str, str]:
        return {plugin.name: plugin.status for plugin in registry.plugins}

    def test_unset_loads_all(self, found: list[EntryPoint]) -> None:
        assert self.statuses(Registry(None, found)) == {"a": "loaded", "b": "loaded", "broken": "failed"}

    def test_empty_loads_none(self, found: list[EntryPoint]) -> None:
        registry = Registry(frozenset(), found)
        assert set(self.statuses(registry).values()) == {"disabled"}
        assert not registry.implementations("premessage")

    def test_named_ones_are_loaded_and_others_not_even_imported(self, found: list[EntryPoint]) -> None:
        registry = Registry(frozenset({"b"}), found)
        assert self.statuses(registry) == {"a": "disabled", "b": "loaded", "broken": "disabled"}
        assert found[0].module not in sys.modules
        assert pass_through(registry) == "b"

    def test_a_named_one_that_is_not_installed_is_a_failure(self, found: list[EntryPoint]) -> None:
        registry = Registry(frozenset({"b", "nowhere"}), found)
        assert [plugin.name for plugin in registry.failed()] == ["nowhere"]
        assert "not installed" in str(registry.failed()[0].error)


class TestBroadcast:
    def test_plugins_are_called_by_name_whatever_the_order_of_the_directory(self, install: Install) -> None:
        found = [install(name, premessage(name)) for name in ("c", "a", "d", "b")]
        assert pass_through(Registry(found=found)) == pass_through(Registry(found=found[::-1])) == "abcd"

    def test_tryfirst_and_trylast_come_first_and_last(self, install: Install) -> None:
        found = [
            install("a", premessage("a", "trylast")),
            install("b", premessage("b")),
            install("c", premessage("c", "tryfirst")),
            install("d", premessage("d")),
        ]
        assert pass_through(Registry(found=found)) == "cbda"

    @pytest.mark.parametrize("fault", ["raise ZeroDivisionError('oops')", "return 'text'", "return [request]"])
    def test_a_hook_that_fails_is_named_in_the_log_and_passed_over(self, install: Install, fault: str) -> None:
        bad = f"""
            @hookimpl
            def premessage(turn, request):
                request["input"]["text"] = "spoilt"
                {fault}
        """
        found = [install("a", premessage("a")), install("b", bad), install("c", premessage("c"))]
        with capture_logs() as logs:
            assert pass_through(Registry(found=found)) == "ac"
        assert [(line["plugin"], line["hook"]) for line in logs] == [("b", "premessage")]

    def test_a_hook_that_returns_none_leaves_the_request_even_if_it_has_scribbled_on_it(self, install: Install) -> None:
        scribbling = "@hookimpl\ndef premessage(request):\n    request['input']['text'] = 'spoilt'\n"
        registry = Registry(found=[install("a", scribbling), install("b", premessage("b"))])
        assert pass_through(registry, "text ") == "text b"


class TestHooked:
    """The hooks at run time, through a plugin that uses them."""

    @pytest.fixture
    def local(self, tmp_path: Path) -> Iterator[LocalHub]:
        with LocalHub(f"sqlite:///{tmp_path / 'hub.sqlite3'}", tmp_path, plugins=[HOOKED]) as local:
            yield local

    @pytest.mark.parametrize(
        ("text", "inputs", "answers", "failed"),
        [
            ("pre shouts", "PRE SHOUTS", ["echo PRE SHOUTS"], []),
            ("pre raises", "pre raises", ["echo pre raises"], [("hooked", "premessage")]),
            ("pre wrong type", "pre wrong type", ["echo pre wrong type"], [("hooked", "premessage")]),
            ("post adds", "post adds", ["echo post adds", "added by a hook"], []),
            ("post raises", "post raises", ["echo post raises"], [("hooked", "postmessage")]),
            ("post breaks", "post breaks", ["echo post breaks"], [("hooked", "postmessage")]),
        ],
    )
    def test_the_turn_goes_on_with_what_the_hooks_made_of_it(
        self, local: LocalHub, text: str, inputs: str, answers: list[str], failed: list[tuple[str, str]]
    ) -> None:
        with capture_logs() as logs:
            local.converse(text)
        assert local.script.inputs == [inputs]
        assert local.provider.texts == answers
        assert [(line["plugin"], line["hook"]) for line in logs if line["event"] == "hook_failed"] == failed

    def test_a_plugin_without_hooks_at_run_time_costs_no_call(self) -> None:
        registry = Registry(found=[MINE])
        assert not registry.implementations("premessage")
        assert not registry.implementations("postmessage")


class TestDocumentation:
    @pytest.mark.parametrize("hook", HOOKS)
    def test_every_hook_is_used_by_a_real_plugin(self, hook: str) -> None:
        installed = Registry()
        users = [plugin.name for plugin in installed.plugins if hook in plugin.hooks]
        assert users, f"nobody uses {hook}; failed: {[plugin.error for plugin in installed.failed()]}"

    @pytest.mark.parametrize("hook", HOOKS)
    def test_every_hook_has_an_example_that_compiles_and_fits_its_signature(self, hook: str) -> None:
        documentation = textwrap.dedent(f"    {getattr(hookspecs, hook).__doc__}")
        first, _, example = documentation.partition("Example::")
        assert re.match(r"[A-Z].*[.;,]", first.strip()), "the first line says what the hook is for"
        (function,) = [node for node in ast.parse(textwrap.dedent(example)).body if isinstance(node, ast.FunctionDef)]
        compile(textwrap.dedent(example), hook, "exec")
        assert function.name == hook
        assert [ast.unparse(each) for each in function.decorator_list] == ["hookimpl"]
        wanted = getattr(hookspecs, hook).__annotations__
        assert {argument.arg for argument in function.args.args} <= set(wanted)
        assert "return" in wanted

    def test_hub_plugins_prints_the_agreed_fields(self, tmp_path: Path) -> None:
        environment = {"HUB_PLUGINS": "twilio,demo,broken,nowhere", "PYTHONPATH": str(TEST_PLUGINS)}
        running = RunningHub(tmp_path, environment)
        lines = [json.loads(line) for line in running.command("plugins", "--json").stdout.splitlines()]
        plugins = {line["name"]: line for line in lines}
        fields = {"name", "distribution", "version", "status", "channels", "assistants", "hooks", "error"}
        assert all(set(line) == fields for line in lines)
        assert [line["name"] for line in lines if line["name"] != "nowhere"] == sorted(set(plugins) - {"nowhere"})
        assert plugins["twilio"] | {"version": ""} == {
            "name": "twilio", "distribution": "hub-twilio", "version": "", "status": "loaded", "error": None,
            "channels": ["sms_twilio"], "assistants": [], "hooks": ["register_channels"],
        }  # fmt: skip
        assert plugins["demo"]["assistants"] == ["demo"]
        assert (plugins["broken"]["status"], plugins["broken"]["distribution"]) == ("failed", "hub-broken")
        assert "broken on purpose" in plugins["broken"]["error"]
        assert plugins["nowhere"]["status"] == "failed"
        assert plugins["simulator"]["status"] == "disabled"
        table = running.command("plugins").stdout
        assert all(f"{name} " in table for name in plugins)


class TestShelf:
    @pytest.mark.parametrize("name", FIRST_PARTY)
    def test_one_chain_of_names_from_folder_to_templates(self, name: str) -> None:
        folder, package = SHELF / name, f"hub_{name}"
        config = configparser.ConfigParser()
        config.read(folder / "setup.cfg")
        assert config["metadata"]["name"] == f"hub-{name.replace('_', '-')}"
        assert config["options.entry_points"][GROUP].split() == [name, "=", package]
        assert "integration-hub" in config["options"]["install_requires"].split()
        assert "py.typed" in config["options.package_data"][package].split()
        assert (folder / package / "py.typed").exists()
        assert "[build-system]" in (folder / "pyproject.toml").read_text()
        assert [path.name for path in folder.glob("hub_*") if path.suffix != ".egg-info"] == [package]
        assert {path.name for path in folder.glob(f"{package}/templates/*")} <= {package}
        assert [point.value for point in entry_points(group=GROUP, name=name)] == [package]

    def test_the_shelf_is_no_package(self) -> None:
        assert not (SHELF / "__init__.py").exists()
        assert not list(SHELF.glob("*/__init__.py"))

    @pytest.mark.parametrize("name", FIRST_PARTY)
    def test_plugins_import_the_public_names_of_the_host_only_and_never_one_another(self, name: str) -> None:
        wrong = []
        for file in (SHELF / name).glob("hub_*/**/*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                for module, imported in _imports(node):
                    top = module.partition(".")[0]
                    private = top == "hub" and module not in ("hub", "hub.testing")
                    unlisted = module == "hub" and imported is not None and imported not in hub.__all__
                    sibling = top.startswith("hub_") and top != f"hub_{name}"
                    if private or unlisted or sibling:
                        wrong.append(f"{file.relative_to(SHELF)}: {module} {imported or ''}")
        assert wrong == []


def _imports(node: ast.AST) -> list[tuple[str, str | None]]:
    if isinstance(node, ast.Import):
        return [(each.name, None) for each in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        return [(node.module or "", each.name) for each in node.names]
    return []

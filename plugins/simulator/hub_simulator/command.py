"""`hub simulator`."""

from __future__ import annotations

import click

from hub_simulator.account import DEMO_ACCOUNT_SID, DEMO_AUTH_TOKEN, DEMO_NUMBER


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8010, show_default=True, help="Port to listen on.")
@click.option("--hub-url", default="http://127.0.0.1:8000", show_default=True, help="Where the hub is reached.")
@click.option("--number", "numbers", multiple=True, default=[DEMO_NUMBER], help="A number; may be repeated.")
@click.option("--message-url", help="Where texts go. [default: HUB_URL/webhooks/demo-sms/message]")
@click.option("--fallback-url", default="", help="Where texts go when that fails.")
@click.option("--service", help="Sid (MG...) of a Messaging Service that has all the numbers.")
@click.option("--account-sid", default=DEMO_ACCOUNT_SID, show_default=True, help="The simulated account.")
@click.option("--auth-token", default=DEMO_AUTH_TOKEN, help="Its token; the default is the demo's.")
@click.option("--public-url", help="Where others reach the simulator. [default: http://HOST:PORT]")
def simulator(
    host: str,
    port: int,
    hub_url: str,
    numbers: tuple[str, ...],
    message_url: str | None,
    fallback_url: str,
    service: str | None,
    account_sid: str,
    auth_token: str,
    public_url: str | None,
) -> None:
    """Run a local stand-in for Twilio, with phones in the browser."""
    from hub_simulator.server import Server
    from hub_simulator.settings import Settings

    reachable = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
    settings = Settings(
        account_sid=account_sid,
        auth_token=auth_token,
        numbers=numbers,
        services={service: numbers} if service else {},
        message_url=message_url or f"{hub_url.rstrip('/')}/webhooks/demo-sms/message",
        fallback_url=fallback_url,
        public_url=(public_url or f"http://{reachable}:{port}").rstrip("/"),
    )

    def announce() -> None:
        click.echo(f"Phones:     {settings.public_url}/")
        click.echo(f"Twilio API: {settings.public_url}/2010-04-01/Accounts/{account_sid}/Messages.json")
        click.echo(f"Texts to {', '.join(numbers)} go to {settings.message_url}")

    Server(settings, host, port, announce).run()

"""The web side of the hub: webhooks, media, health."""

from hub.web.app import create_app

__all__ = ["create_app"]

"""The store: every message is committed here before anybody is answered."""

from hub.store.database import Store

__all__ = ["Store"]

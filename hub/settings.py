"""The base of every settings model: channels, assistants and the tables plugins add to an assistant."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Base of every plugin's settings: unknown keys are refused, each field has a title and a description."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

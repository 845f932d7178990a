"""Logs: structlog, JSON in production and readable in a terminal; phone numbers are masked by who logs them.

A correlation id made when a webhook is accepted is stored with the message and bound to every line up to delivery.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Any, TextIO, cast

import structlog
from structlog.typing import FilteringBoundLogger

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(stream: TextIO | None = None) -> None:
    """Set structlog up for this process: JSON lines, or colours when `stream` (default stderr) is a terminal.

    ``HUB_LOG_LEVEL`` (debug, info, warning, error; default info) chooses what is printed.
    """
    out = sys.stderr if stream is None else stream
    terminal = out.isatty()
    level = LEVELS.get(os.environ.get("HUB_LOG_LEVEL", "info").lower(), logging.INFO)
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=True, exception_formatter=structlog.dev.plain_traceback)
        if terminal
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=True,
    )


def get_logger() -> FilteringBoundLogger:
    """The logger; bind what identifies the work (``correlation``, ``integration``, ``turn``)."""
    return cast(FilteringBoundLogger, structlog.get_logger())

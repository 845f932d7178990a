"""What the whole message contract needs: sections of assistants, the hub's memory, log events, plugins' secrets.

Only columns with defaults and new tables, so the version before goes on serving.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns and tables."""
    empty = sa.text("'{}'")
    op.add_column("assistant", sa.Column("sections", sa.JSON(), nullable=False, server_default=empty))
    op.add_column("assistant", sa.Column("section_secrets", sa.Text(), nullable=True))
    op.add_column("lane", sa.Column("send_error", sa.JSON(), nullable=True))
    op.add_column("session", sa.Column("memory", sa.JSON(), nullable=False, server_default=empty))
    op.add_column("turn", sa.Column("memory", sa.JSON(), nullable=False, server_default=empty))
    op.create_table(
        "log_event",
        sa.Column("assistant_id", sa.Uuid(), nullable=False),
        sa.Column("plugin", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["assistant_id"], ["assistant.id"], name="fk_log_event_assistant_id"),
        sa.PrimaryKeyConstraint("id", name="pk_log_event"),
    )
    op.create_index("ix_log_event_due_at", "log_event", ["due_at"])
    op.create_table(
        "plugin_secret",
        sa.Column("plugin", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_plugin_secret"),
        sa.UniqueConstraint("plugin", "name", name="uq_plugin_secret_plugin_name"),
    )


def downgrade() -> None:
    """Back to text messaging alone; what the new tables and columns hold is lost."""
    op.drop_table("plugin_secret")
    op.drop_table("log_event")
    op.drop_column("turn", "memory")
    op.drop_column("session", "memory")
    op.drop_column("lane", "send_error")
    op.drop_column("assistant", "section_secrets")
    op.drop_column("assistant", "sections")

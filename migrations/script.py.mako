"""${message}

Laws of a migration: it runs while an older version still serves (add first, remove one release later); it loses no
row; it works on SQLite and PostgreSQL; it holds no lock longer than a second on a million rows, or says so here.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}

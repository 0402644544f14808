"""What pgqueuer's tables are called here."""

from __future__ import annotations

from pgqueuer.adapters.persistence.qb import DBSettings
from pgqueuer.models import Channel

# The names that migration 0002 made. Written out: pgqueuer would take them from the environment,
# even from a variable that is called CHANNEL.
QUEUE_NAMES = DBSettings.model_construct(
    prefix="",
    db_schema=None,
    channel=Channel("ch_pgqueuer"),
    function="fn_pgqueuer_changed",
    trigger="tg_pgqueuer_changed",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    queue_status_type="pgqueuer_status",
    schedules_table="pgqueuer_schedules",
    statistics_table="pgqueuer_statistics",
)

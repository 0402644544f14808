"""Log lines: one pipeline for structlog's loggers and the standard library's, secrets masked.

JSON for machines, colour for a terminal; each line carries the request id it was written under.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import MutableMapping
from contextvars import Context, ContextVar
from typing import Any, Final, TextIO

import orjson
import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from core.redaction import redact, redact_text
from core.settings import Settings

# Their own lines below these levels are noise; `sqlalchemy.engine` at info prints parameters.
LIBRARIES: Final = {
    "uvicorn": logging.INFO,
    "uvicorn.error": logging.INFO,
    "uvicorn.access": logging.INFO,
    "uvicorn.asgi": logging.INFO,
    "sqlalchemy": logging.WARNING,
    "alembic": logging.INFO,
    "pgqueuer": logging.INFO,
    "redis": logging.WARNING,
    "httpx": logging.WARNING,
    "opentelemetry": logging.WARNING,
    "asyncio": logging.WARNING,
}


def _request_id() -> ContextVar[Any]:
    context = Context()
    context.run(structlog.contextvars.bind_contextvars, request_id="")
    [made] = context
    return made


REQUEST_ID: Final = _request_id()
"""structlog's own variable for what is bound as `request_id`: it binds by making dictionaries, and
looks up by copying all that is bound."""


def configure_logging(settings: Settings, *, stream: TextIO | None = None) -> None:
    """Route every logger of this process to standard error (or `stream`); call it once a process.

    Give uvicorn `log_config=None`, else it takes its loggers back. Calling it again replaces the
    earlier set-up.
    """
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    handler = _Handler(stream)
    handler.setFormatter(_formatter(_wants_json(settings, stream)))
    _replace_handler(handler, level)
    # uvicorn asks whether a handler would be reached, and writes a line for each request if so.
    logging.getLogger("uvicorn.access").propagate = settings.access_log
    structlog.configure(
        processors=[*_shared(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        # Loggers live in modules: cached, they would keep the first set-up of several.
        cache_logger_on_first_use=False,
    )


def current_request_id() -> str | None:
    """The id of the request or socket that this code runs for, if it runs for one."""
    found = REQUEST_ID.get()
    return found if isinstance(found, str) else None


class _WithoutQuery(logging.Filter):
    """Takes the query string out of uvicorn's lines for requests and sockets: variables stand
    there, encoded so that nothing in them is found."""

    def filter(self, record: logging.LogRecord) -> bool:
        is_line = record.name == "uvicorn.access" or '"WebSocket %s"' in str(record.msg)
        if is_line and isinstance(record.args, tuple):
            record.args = tuple(
                one.partition("?")[0] if isinstance(one, str) else one for one in record.args
            )
        return True


class _Handler(logging.StreamHandler[TextIO]):
    """Writes to what `sys.stderr` is at the time of the line, as tests and CLIs replace it."""

    def __init__(self, stream: TextIO | None) -> None:
        logging.Handler.__init__(self)
        self._fixed = stream

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return self._fixed or sys.stderr


def _replace_handler(handler: logging.Handler, level: int) -> None:
    root = logging.getLogger()
    for old in [each for each in root.handlers if isinstance(each, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for name, at_least in LIBRARIES.items():
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
        library.setLevel(max(level, at_least))
    for name in ("uvicorn.access", "uvicorn.error"):
        logger = logging.getLogger(name)
        if not any(isinstance(each, _WithoutQuery) for each in logger.filters):
            logger.addFilter(_WithoutQuery())
    logging.captureWarnings(True)


def _wants_json(settings: Settings, stream: TextIO | None) -> bool:
    if settings.log_format == "auto":
        return not (stream or sys.stderr).isatty()
    return settings.log_format == "json"


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        _add_trace_id,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _formatter(as_json: bool) -> logging.Formatter:
    remove_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if as_json:
        # The traceback becomes text before the redaction, so that it is redacted too.
        format_exception = structlog.processors.ExceptionRenderer(_plain_traceback)
        last: list[Processor] = [remove_meta, format_exception, _redact, _render_json]
    else:
        console = structlog.dev.ConsoleRenderer(exception_formatter=_write_traceback)
        last = [remove_meta, _redact, console]
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=_shared(), processors=last)


def _add_trace_id(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    trace = sys.modules.get("opentelemetry.trace")  # not imported: tracing is off
    if trace is not None:
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            event["trace_id"] = f"{context.trace_id:032x}"
    return event


def _redact(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    return {
        name: value if name in {"exc_info", "level", "timestamp"} else redact(name, value)
        for name, value in event.items()
    }


def _plain_traceback(exc_info: ExcInfo) -> str:
    # Never structlog's rich or dict tracebacks: they print local variables.
    return "".join(traceback.format_exception(*exc_info)).rstrip()


def _write_traceback(stream: TextIO, exc_info: ExcInfo) -> None:
    stream.write("\n" + redact_text(_plain_traceback(exc_info)))


def _render_json(logger: WrappedLogger, method: str, event: MutableMapping[str, Any]) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()

"""Log lines: their form, their request id, and what they never show."""

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import structlog

from core.doctor import describe
from core.logging import configure_logging, current_request_id
from core.redaction import MAX_TEXT, is_secret_name, redact, redact_text
from core.settings import Settings


@pytest.fixture
def clean_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def configured(**changes: object) -> io.StringIO:
    stream = io.StringIO()
    configure_logging(Settings(**({"log_format": "json"} | changes)), stream=stream)
    return stream


def lines(stream: io.StringIO) -> list[dict]:
    return [orjson.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_level_logger_time_and_request_id(clean_logging: None) -> None:
    stream = configured()
    with structlog.contextvars.bound_contextvars(request_id="abc"):
        structlog.get_logger("here").info("bid_placed", amount_minor=5)
        assert current_request_id() == "abc"
    assert current_request_id() is None
    structlog.get_logger("here").info("later")
    first, second = lines(stream)
    assert first.pop("timestamp").endswith("Z")
    assert first == {
        "event": "bid_placed",
        "level": "info",
        "logger": "here",
        "request_id": "abc",
        "amount_minor": 5,
    }
    assert "request_id" not in second


def test_libraries_write_the_same_lines(clean_logging: None) -> None:
    stream = configured(access_log=True)
    with structlog.contextvars.bound_contextvars(request_id="abc"):
        logging.getLogger("uvicorn.access").info(
            '%s - "%s %s HTTP/%s" %d', "127.0.0.1:1", "GET", "/x?token=hunter2", "1.1", 200
        )
    logging.getLogger("pgqueuer").warning("mail to %s failed", "alice@example.org")
    access, job = lines(stream)
    assert access["event"] == '127.0.0.1:1 - "GET /x HTTP/1.1" 200'
    assert access["request_id"] == "abc"
    assert access["logger"] == "uvicorn.access"
    assert job["event"] == "mail to a***@example.org failed"
    assert job["level"] == "warning"


def test_a_request_gets_no_line_unless_asked_for(clean_logging: None) -> None:
    stream = configured()
    logging.getLogger("uvicorn.access").info("a request")
    logging.getLogger("uvicorn.error").info("a start")
    assert [line["event"] for line in lines(stream)] == ["a start"]


def test_library_noise_is_kept_out(clean_logging: None) -> None:
    stream = configured(log_level="debug")
    logging.getLogger("sqlalchemy.engine").info("SELECT with parameters")
    logging.getLogger("redis").info("chatter")
    structlog.get_logger("ours").debug("ours")
    assert [line["event"] for line in lines(stream)] == ["ours"]


def test_lines_below_the_level_are_not_written(clean_logging: None) -> None:
    stream = configured(log_level="warning")
    structlog.get_logger("x").info("quiet")
    logging.getLogger("uvicorn").info("quiet")
    structlog.get_logger("x").warning("loud")
    assert [line["event"] for line in lines(stream)] == ["loud"]


def test_configuring_twice_writes_each_line_once(clean_logging: None) -> None:
    first = configured()
    second = configured()
    structlog.get_logger("x").info("once")
    assert first.getvalue() == ""
    assert len(lines(second)) == 1


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_tracebacks_are_masked_and_show_no_locals(clean_logging: None, log_format: str) -> None:
    stream = configured(log_format=log_format)

    def fails() -> None:
        local_value = "swordfish"
        raise ValueError(f"no account alice@example.org {len(local_value)}")

    try:
        fails()
    except ValueError:
        structlog.get_logger("x").exception("it_failed")
        logging.getLogger("uvicorn.error").exception("it failed too")
    text = stream.getvalue()
    assert text.count("ValueError: no account a***@example.org 9") == 2
    assert "swordfish" not in text.replace('local_value = "swordfish"', "").replace(
        'local_value = \\"swordfish\\"', ""
    )


def test_auto_is_json_unless_a_terminal_reads(clean_logging: None) -> None:
    stream = configured(log_format="auto")
    structlog.get_logger("x").info("hello", n=1)
    assert lines(stream)[0]["event"] == "hello"

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    configure_logging(Settings(log_format="auto"), stream=terminal)
    structlog.get_logger("x").info("hello", email="bob@example.org")
    assert "hello" in terminal.getvalue()
    assert "b***@example.org" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")


def test_secrets_in_a_line_are_masked_at_any_depth(clean_logging: None) -> None:
    stream = configured()
    structlog.get_logger("x").info(
        "signed_in",
        password="hunter2",
        headers={"Authorization": "Bearer abcdef", "accept": "*/*"},
        input=[{"refresh_token": "r1"}, {"email": "carol@example.org"}],
        max_tokens=2000,
    )
    (line,) = lines(stream)
    assert line["password"] == "***"
    assert line["headers"] == {"Authorization": "***", "accept": "*/*"}
    assert line["input"] == [{"refresh_token": "***"}, {"email": "c***@example.org"}]
    assert line["max_tokens"] == 2000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("to alice.b+x@mail.example.org.", "to a***@mail.example.org."),
        ("Key (email)=(bob@example.org)", "Key (email)=(b***@example.org)"),
        ("GET /users/bob@example.org", "GET /users/b***@example.org"),
        ("ünal@exämple.org", "ü***@exämple.org"),
        ("Authorization: Bearer abc.def-1", "Authorization: Bearer ***"),
        ("t eyJhbGciOiJ.eyJzdWIiOiJ.c2ln e", "t jwt:*** e"),
        ('{"password": "hun ter2", "a": 1}', '{"password": ***, "a": 1}'),
        ("access_token=abc&x=1", "access_token=***&x=1"),
        ("postgresql://mela:p@ss@db.example.org/x", "postgresql://mela:***@db.example.org/x"),
        ("redis://:secret@127.0.0.1:6379/0", "redis://:***@127.0.0.1:6379/0"),
        ("postgresql://mela@db/x", "postgresql://mela@db/x"),
        ("3 tokens spent at 10:30", "3 tokens spent at 10:30"),
        ("auc_01930c5e", "auc_01930c5e"),
    ],
)
def test_redact_text(text: str, expected: str) -> None:
    assert redact_text(text) == expected


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("password", True),
        ("newPassword", True),
        ("refresh_token", True),
        ("Authorization", True),
        ("client_secret", True),
        ("API_KEY", True),
        ("idempotency_key", False),
        ("tokenizer", False),
        ("code", False),
    ],
)
def test_is_secret_name(name: str, secret: bool) -> None:
    assert is_secret_name(name) is secret


def test_long_values_are_cut_in_the_middle() -> None:
    cut = redact_text("a " * MAX_TEXT + "the end")
    assert len(cut) < MAX_TEXT + 100
    assert cut.endswith("the end")


def test_deep_wide_and_unknown_values_are_bounded() -> None:
    deep: list = []
    deep.append(deep)
    assert orjson.dumps(redact("x", deep))
    assert len(redact("x", list(range(10_000)))) == 200

    class Account:
        def __repr__(self) -> str:
            return "Account(dave@example.org)"

    assert redact("x", Account()) == "Account(d***@example.org)"


def test_describe_shows_every_setting_and_no_secret() -> None:
    settings = Settings(
        database_url="postgresql://mela:hunter2@db.example.org/mela",
        redis_url="redis://:hunter2@127.0.0.1/0",
        otlp_endpoint="http://me:hunter2@collector:4318",
        signing_keys_dir=Path("/keys"),
    )
    shown = describe(settings)
    values = {name: value for name, value, _ in shown}
    assert len(shown) == len(Settings.model_fields)
    assert "hunter2" not in str(shown)
    assert values["MELA_DATABASE_URL"] == "postgresql://mela:***@db.example.org/mela"
    assert values["MELA_REDIS_URL"] == "redis://:***@127.0.0.1/0"
    assert values["MELA_OTLP_ENDPOINT"] == "http://me:***@collector:4318"
    assert values["MELA_SIGNING_KEYS_DIR"] == "/keys"
    assert values["MELA_TOKEN_ISSUER"] == "mela"
    assert values["MELA_ACCESS_TOKEN_S"] == "900"
    assert ("MELA_PORT", "8000", "First port to try; 0 takes any") in shown

"""Mails as the world has them, by folder and by SMTP; pushes that a browser could decrypt."""

import asyncio
import base64
import email
import email.policy
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import http_ece
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adapters.couriers import make_couriers
from adapters.mail import OutboxMailer, SmtpMailer, message_of, smtp_mailer
from adapters.push import web_pusher
from core.ports import Mail, Push
from core.settings import Settings
from core.tokens import KeyFileError, ensure_keys

SENDER = "Mela <mela@mela.test>"
MAIL = Mail("ntf_1", "ada@mela.test", "Ada, Countess", "You won a bowl", "Hello Ada,\n\nyours.\n")


def parsed(raw):
    return email.message_from_bytes(raw, policy=email.policy.default)


def test_a_mail_has_the_headers_it_needs():
    message = message_of(MAIL, SENDER)
    assert message["From"] == "Mela <mela@mela.test>"
    assert message["To"] == '"Ada, Countess" <ada@mela.test>'
    assert message["Message-ID"] == "<ntf_1@mela.test>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content() == MAIL.text


@pytest.mark.parametrize("field", ["name", "subject"])
def test_what_people_call_themselves_adds_no_header(field):
    wicked = Mail(**{**_fields(MAIL), field: "x\r\nBcc: eve@mela.test\r\n\r\nbody"})
    message = parsed(message_of(wicked, SENDER).as_bytes())
    assert message["Bcc"] is None
    assert len(message["To"].addresses) == 1
    assert message.get_content().replace("\r\n", "\n") == MAIL.text


def _fields(mail):
    return {name: getattr(mail, name) for name in ("id", "to", "name", "subject", "text")}


def test_other_scripts_are_carried():
    mail = Mail("ntf_2", "ada@mela.test", "Zoë", "你赢了", "¡Olé!\n")
    message = parsed(message_of(mail, SENDER).as_bytes())
    assert (message["Subject"], message["To"].addresses[0].display_name) == ("你赢了", "Zoë")
    assert message.get_content().strip() == "¡Olé!"


async def test_the_outbox_has_a_file_for_each_mail_and_one_for_a_repeated_one(tmp_path):
    mailer = OutboxMailer(tmp_path / "outbox", SENDER)
    await asyncio.gather(*(mailer.send(MAIL) for _ in range(3)))
    await mailer.send(Mail("ntf_3", "bob@mela.test", "Bob", "s", "t\n"))
    files = sorted(path.name for path in (tmp_path / "outbox").iterdir())
    assert files == ["ntf_1.eml", "ntf_3.eml"]
    assert parsed((tmp_path / "outbox" / "ntf_1.eml").read_bytes())["Subject"] == MAIL.subject


async def test_the_outbox_keeps_the_newest(tmp_path, monkeypatch):
    monkeypatch.setattr("adapters.mail.OUTBOX_MAX", 2)
    mailer = OutboxMailer(tmp_path, SENDER)
    for n in range(4):
        await mailer.send(Mail(f"ntf_{n}", "bob@mela.test", "Bob", "s", "t\n"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ntf_2.eml", "ntf_3.eml"]


async def serve_smtp(refusing=False):
    """A server that takes a mail, or refuses its recipient; what it was sent."""
    taken = []

    async def talk(reader, writer):
        async def say(line):
            writer.write(line.encode() + b"\r\n")
            await writer.drain()

        await say("220 mela.test ESMTP")
        body = None
        while line := await reader.readline():
            if body is not None:
                if line == b".\r\n":
                    taken.append(b"".join(body))
                    body = None
                    await say("250 taken")
                else:
                    body.append(line)
                continue
            verb = line.split()[0].upper()
            if verb == b"DATA":
                body = []
                await say("354 go on")
            elif verb == b"RCPT" and refusing:
                await say("550 no such person")
            elif verb == b"QUIT":
                await say("221 bye")
                break
            else:
                await say("250 ok")
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1], taken


async def test_smtp_hands_the_mail_over_and_says_when_it_was_not_taken():
    server, port, taken = await serve_smtp()
    async with server:
        await smtp_mailer(f"smtp://127.0.0.1:{port}", SENDER).send(MAIL)
    assert parsed(taken[0])["Message-ID"] == "<ntf_1@mela.test>"
    server, port, taken = await serve_smtp(refusing=True)
    async with server:
        with pytest.raises(Exception, match="no such person"):
            await smtp_mailer(f"smtp://127.0.0.1:{port}", SENDER).send(MAIL)
    assert taken == []
    with pytest.raises(Exception, match="connect"):
        await smtp_mailer("smtp://127.0.0.1:1", SENDER).send(MAIL)


def test_smtp_urls():
    found = smtp_mailer("smtps://a%40b:p%3Aw@mail.test", SENDER)
    assert found == SmtpMailer("mail.test", 465, True, "a@b", "p:w", SENDER)
    assert smtp_mailer("smtp://mail.test", SENDER).port == 587
    for bad in ("http://mail.test", "smtp://", "mail.test"):
        with pytest.raises(ValueError, match="MELA_SMTP_URL"):
            smtp_mailer(bad, SENDER)


@pytest.fixture
def push_service():
    """`push_service.status` is what it answers; `got` has headers and bodies."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(server.status)
            if server.status == 307:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.got, server.status = [], 201
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def browser_key():
    return generate_private_key(SECP256R1())


@pytest.fixture
def push(push_service, browser_key):
    point = browser_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return Push(
        f"http://127.0.0.1:{push_service.server_address[1]}/browser",
        base64.urlsafe_b64encode(point).rstrip(b"=").decode(),
        base64.urlsafe_b64encode(b"0123456789abcdef").rstrip(b"=").decode(),
        "0" * 32,
        '{"kind":"OUTBID"}',
    )


async def test_a_push_can_be_read_by_its_browser_alone_and_is_signed(
    tmp_path, push, push_service, browser_key
):
    pusher = web_pusher(tmp_path, "mailto:mela@mela.test", make=True)
    assert await pusher.push(push) == "TAKEN"
    [(headers, body)] = push_service.got
    assert headers["content-encoding"] == "aes128gcm"
    assert (headers["topic"], headers["ttl"]) == ("0" * 32, "86400")
    assert f"k={pusher.public_key}" in headers["authorization"]
    assert b"OUTBID" not in body
    told = http_ece.decrypt(
        body, private_key=browser_key, auth_secret=b"0123456789abcdef", version="aes128gcm"
    )
    assert told == push.body.encode()
    # A second process, or a restart, has the same key.
    again = web_pusher(tmp_path, "mailto:mela@mela.test", make=False)
    assert again.public_key == pusher.public_key
    assert len(base64.urlsafe_b64decode(pusher.public_key + "=")) == 65


@pytest.mark.parametrize("status", [404, 410])
async def test_a_browser_that_unsubscribed_is_gone(tmp_path, push, push_service, status):
    push_service.status = status
    assert await web_pusher(tmp_path, "mailto:m@mela.test", make=True).push(push) == "GONE"


@pytest.mark.parametrize("status", [307, 400, 429, 500])
async def test_what_a_push_service_does_not_take_is_an_error(tmp_path, push, push_service, status):
    push_service.status = status
    pusher = web_pusher(tmp_path, "mailto:m@mela.test", make=True)
    with pytest.raises(Exception):  # noqa: B017, PT011 (requests' and pywebpush's own)
        await pusher.push(push)
    assert len(push_service.got) == 1  # sent nowhere else either


def test_settings_choose_the_couriers(tmp_path):
    given = {"state_dir": tmp_path, "profile": "test"}
    couriers = make_couriers(Settings(**given))
    assert isinstance(couriers.mailer, OutboxMailer)
    assert couriers.mailer.folder == tmp_path / "outbox"
    assert couriers.pusher is not None
    by_smtp = make_couriers(Settings(**given, smtp_url="smtp://mail.test:2525"))
    assert isinstance(by_smtp.mailer, SmtpMailer)
    keys = tmp_path / "keys"
    with pytest.raises(KeyFileError):
        make_couriers(Settings(**given, push_keys_dir=keys))
    ensure_keys(keys, "EdDSA")
    with pytest.raises(KeyFileError, match="P-256"):
        make_couriers(Settings(**given, push_keys_dir=keys))
    ensure_keys(keys, "ES256")
    assert make_couriers(Settings(**given, push_keys_dir=keys)).pusher is not None

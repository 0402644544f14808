"""Mailers: a folder that a developer can look into, and SMTP."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import formatdate, parseaddr
from pathlib import Path
from secrets import token_hex
from urllib.parse import unquote, urlsplit

import aiosmtplib

from core.ports import Mail

TIMEOUT_S = 20.0
OUTBOX_MAX = 1_000
"""Mails that stay in the folder: each further one takes the oldest's place."""


def message_of(mail: Mail, sender: str) -> EmailMessage:
    """The mail as the world has it. Raises `ValueError` for what no header can carry."""
    name, address = parseaddr(sender)
    ascii_only = mail.to.isascii() and address.isascii()
    message = EmailMessage(policy=SMTP if ascii_only else SMTPUTF8)
    message["From"] = Address(name, addr_spec=address)
    message["To"] = Address(_one_line(mail.name), addr_spec=mail.to)
    message["Subject"] = _one_line(mail.subject)
    message["Date"] = formatdate(localtime=False)
    message["Message-ID"] = f"<{mail.id}@{address.rpartition('@')[2] or 'localhost'}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    return message


def _one_line(words: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f\u2028\u2029]+", " ", words).strip()


@dataclass(frozen=True, slots=True)
class OutboxMailer:
    """Writes each mail into a folder as `<id>.eml`; the same mail again is the same file."""

    folder: Path
    sender: str
    repeatable: bool = True

    async def send(self, mail: Mail) -> None:
        """Write the file."""
        await asyncio.to_thread(self._write, mail)

    def _write(self, mail: Mail) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.folder / f"{mail.id}.eml"
        draft = path.with_suffix(f".{token_hex(4)}.tmp")  # the same mail may be sent twice at once
        draft.write_bytes(message_of(mail, self.sender).as_bytes())
        draft.replace(path)
        kept = sorted(self.folder.glob("*.eml"), key=lambda one: one.name)
        for old in kept[:-OUTBOX_MAX]:
            old.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class SmtpMailer:
    """Sends by one server: `smtp://user:password@host:587`, with STARTTLS where it is offered, or
    `smtps://…`. Make it with `smtp_mailer`."""

    host: str
    port: int
    tls: bool
    username: str | None
    password: str | None
    sender: str
    repeatable: bool = False

    async def send(self, mail: Mail) -> None:
        """Hand it to the server. Raises `aiosmtplib.SMTPException` or `OSError` if it was not
        taken."""
        await aiosmtplib.send(
            message_of(mail, self.sender),
            hostname=self.host,
            port=self.port,
            username=self.username,
            password=self.password,
            use_tls=self.tls,
            timeout=TIMEOUT_S,
        )


def smtp_mailer(url: str, sender: str) -> SmtpMailer:
    """The mailer of a URL. Raises `ValueError` for another scheme and without a host."""
    parts = urlsplit(url)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise ValueError("MELA_SMTP_URL must be smtp://host:port or smtps://host:port")
    tls = parts.scheme == "smtps"
    return SmtpMailer(
        host=parts.hostname,
        port=parts.port or (465 if tls else 587),
        tls=tls,
        username=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
        sender=sender,
    )

"""Which couriers the settings ask for."""

from __future__ import annotations

from adapters.mail import OutboxMailer, smtp_mailer
from adapters.push import web_pusher
from core.ports import Couriers, Mailer
from core.settings import Settings


def make_couriers(settings: Settings) -> Couriers:
    """Mail by SMTP if a server is named, else into the outbox; web push with the key given, or one
    made in the state folder: but not in prod, where all servers must have the same.

    Raises `ValueError` or `KeyFileError` for settings that cannot be.
    """
    url, folder = settings.smtp_url, settings.push_keys_dir
    mailer: Mailer = OutboxMailer(settings.state_dir / "outbox", settings.mail_from)
    if url is not None:
        mailer = smtp_mailer(url.get_secret_value(), settings.mail_from)
    if folder is None and settings.profile == "prod":
        return Couriers(mailer, None)
    keys = folder or settings.state_dir / "push-keys"
    return Couriers(mailer, web_pusher(keys, settings.push_contact, make=folder is None))

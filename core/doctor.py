"""What `mela doctor` shows of the configuration: every setting, secrets hidden."""

from __future__ import annotations

from pydantic import SecretStr

from core.redaction import MASK, redact, redact_text
from core.settings import Settings


def describe(settings: Settings) -> list[tuple[str, str, str]]:
    """`(MELA_NAME, value, description)` for each setting, in the order of declaration.

    Secrets that are URLs show all but the password; other secrets show nothing.
    """
    return [
        (f"MELA_{name.upper()}", _shown(name, getattr(settings, name)), field.description or "")
        for name, field in type(settings).model_fields.items()
    ]


def _shown(name: str, value: object) -> str:
    if value is None:
        return "(unset)"
    if isinstance(value, SecretStr):
        text = value.get_secret_value()
        return redact_text(text) if "://" in text else MASK
    if isinstance(value, str) and not name.endswith(("_url", "_endpoint")):
        # Names such as token_issuer are words about tokens; no setting of type str is a secret.
        return redact_text(value)
    return str(redact(name, value) if isinstance(value, str) else value)

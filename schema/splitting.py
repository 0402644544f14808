"""Which domains a process serves, as operators write them: `auctions,wallets`."""

from __future__ import annotations

from schema.build import DOMAINS


class UnknownDomain(ValueError):
    """A domain was named that there is not; the message lists those there are."""


def named_domains(text: str | None) -> tuple[str, ...] | None:
    """The domains in a list with commas, in the order of `DOMAINS`; None, which is the whole graph,
    where nothing is named. Raises `UnknownDomain`."""
    names = {part.strip() for part in (text or "").split(",")} - {""}
    if unknown := sorted(names - set(DOMAINS)):
        raise UnknownDomain(
            f"no such domain: {', '.join(unknown)[:100]}; there are {', '.join(DOMAINS)}"
        )
    return tuple(domain for domain in DOMAINS if domain in names) or None

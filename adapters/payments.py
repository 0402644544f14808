"""Payment providers. The sandbox settles everything at once, and no money exists outside it."""

from __future__ import annotations

from dataclasses import dataclass

from core.ports import PaymentOrder, PaymentReply


@dataclass(frozen=True, slots=True)
class SandboxPaymentProvider:
    """For the embedded default: everyone may deposit what they like, and withdraw it."""

    name: str = "sandbox"

    async def deposit(self, order: PaymentOrder) -> PaymentReply:
        """Settled."""
        return PaymentReply("SETTLED", f"sandbox-{order.id}")

    async def withdraw(self, order: PaymentOrder) -> PaymentReply:
        """Settled."""
        return PaymentReply("SETTLED", f"sandbox-{order.id}")

"""Whether a delivery is MLflow's: signed over its raw body, recent, and not seen before.

Source: https://mlflow.org/docs/latest/ml/webhooks/ (signature v1)
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

WINDOW_SECONDS = 300
LONGEST_ID = 200


@dataclass
class Deliveries:
    """The ids of the deliveries that were taken, as long as their timestamps would be."""

    seen: OrderedDict[str, float] = field(default_factory=OrderedDict)

    def take(self, delivery: str, now: float) -> bool:
        """Remember a delivery; False where it was taken before."""
        while self.seen and next(iter(self.seen.values())) < now - 2 * WINDOW_SECONDS:
            self.seen.popitem(last=False)
        if delivery in self.seen:
            return False
        self.seen[delivery] = now
        return True


def sign(secret: str, delivery: str, timestamp: str, body: bytes) -> str:
    """Return the signature as MLflow sends it."""
    signed = f"{delivery}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()


def refusal(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> str | None:
    """Say why a delivery is not to be trusted; None where it is. `now` is in seconds since 1970."""
    delivery, timestamp = headers.get("x-mlflow-delivery-id", ""), headers.get("x-mlflow-timestamp", "")
    given = headers.get("x-mlflow-signature", "")
    if not delivery or len(delivery) > LONGEST_ID or not timestamp.isdecimal() or len(timestamp) > 12:
        return "no delivery id or no timestamp"
    # The signature first: no one without the secret learns anything of the clock.
    if not hmac.compare_digest(given.encode(), sign(secret, delivery, timestamp, body).encode()):
        return "the signature is not that of the body"
    if abs(now - int(timestamp)) > WINDOW_SECONDS:
        return f"the timestamp is more than {WINDOW_SECONDS} s away"
    return None

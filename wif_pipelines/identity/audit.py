"""One record for each exchange and each impersonation, handed to whoever listens.

The records name who became whom, until when, and how it went; a token appears only as its fingerprint. By default they
go to the logger ``wif_pipelines.audit`` at INFO, refusals at WARNING.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

logger = logging.getLogger("wif_pipelines.audit")

Sink = Callable[["ExchangeRecord"], None]


@dataclass(frozen=True)
class ExchangeRecord:
    """What happened when somebody asked to become somebody.

    Attributes:
        kind: An exchange at the Security Token Service, or the impersonation of a service account.
        home: Where the identity came from (``aws``, ``oidc-file``).
        source: Who asked: an AWS ARN, an OIDC subject, or for an impersonation the federated principal's pool.
        provider: The provider that vouched, by its full name.
        became: The pool whose principal we became, or the service account.
        outcome: Whether a token was granted.
        reason: Why not, without secrets; empty when granted.
        attempts: Requests that it took.
        seconds: How long it took.
        issued_at: When the answer came, with time zone.
        expires_at: When the token ends, with time zone; None when refused.
        fingerprint: The first twelve hexadecimal digits of the token's SHA-256; empty when refused.
    """

    kind: Literal["exchange", "impersonation"]
    home: str
    source: str
    provider: str
    became: str
    outcome: Literal["granted", "refused"]
    reason: str
    attempts: int
    seconds: float
    issued_at: datetime
    expires_at: datetime | None
    fingerprint: str


def log_record(record: ExchangeRecord) -> None:
    """The default sink: one line a record."""
    if record.outcome == "refused":
        logger.warning("%s of %s as %s refused: %s", record.kind, record.source, record.became, record.reason)
        return
    logger.info(
        "%s: %s became %s until %s (token %s, %.0f ms)",
        record.kind,
        record.source,
        record.became,
        record.expires_at,
        record.fingerprint,
        record.seconds * 1000,
    )


_sinks: list[Sink] = [log_record]


def subscribe(sink: Sink) -> Callable[[], None]:
    """Hand every later record of this process to the sink.

    Args:
        sink: Called by the thread that made the exchange, while others may wait for its token: keep it short. What it
            raises is logged and goes no further.

    Returns:
        A function that ends the subscription.
    """
    _sinks.append(sink)
    return lambda: _unsubscribe(sink)


@contextlib.contextmanager
def listening(sink: Sink) -> Iterator[None]:
    """Hand the records made inside the block, by any thread, to the sink."""
    end = subscribe(sink)
    try:
        yield
    finally:
        end()


def emit(record: ExchangeRecord) -> None:
    """Hand the record to every sink."""
    for sink in tuple(_sinks):
        try:
            sink(record)
        except Exception:
            logger.exception("an audit sink failed")


def _unsubscribe(sink: Sink) -> None:
    with contextlib.suppress(ValueError):
        _sinks.remove(sink)

"""Puts who became whom on the run's own events."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from wif_pipelines.identity.audit import ExchangeRecord, listening


@contextmanager
def audited(context: dg.AssetExecutionContext) -> Iterator[None]:
    """Log each token exchange and impersonation of the block on the run, without its token.

    The lines are written when the block ends, by the thread that runs the step, whatever thread asked for the token.
    """
    records: list[ExchangeRecord] = []
    try:
        with listening(records.append):
            yield
    finally:
        for record in records:
            context.log.info(_line(record))


def _line(record: ExchangeRecord) -> str:
    asked = f"{record.kind} {record.outcome}: {record.source} became {record.became}"
    if record.expires_at is None:
        return f"{asked}: {record.reason}"
    return f"{asked} until {record.expires_at.isoformat(timespec='seconds')} (token {record.fingerprint})"

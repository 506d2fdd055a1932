"""What every remote call shares: time, one retry, redaction, and the sorting of errors by library."""

from wif_pipelines.wire.clock import SYSTEM, Clock, SteppedClock
from wif_pipelines.wire.redaction import RedactingFilter, redacted
from wif_pipelines.wire.retry import Backoff, retrying

__all__ = ["SYSTEM", "Backoff", "Clock", "RedactingFilter", "SteppedClock", "redacted", "retrying"]

"""The sandbox's time: the machine's, plus a shift that only ever moves forward."""

import datetime
import time


class Clock:
    """Wall-clock time in seconds and in Google's timestamp format."""

    def __init__(self) -> None:
        self._shift = 0.0

    def time(self) -> float:
        """Seconds since the epoch."""
        return time.time() + self._shift

    def advance(self, seconds: float) -> None:
        """Move time forward, so that what lives an hour can be seen to expire."""
        self._shift += max(0.0, seconds)

    def now(self) -> str:
        """RFC 3339 with microseconds, in UTC."""
        return timestamp(self.time())


def timestamp(seconds: float, *, whole: bool = False) -> str:
    """RFC 3339 in UTC. `whole` drops the fraction (google-auth parses `expireTime` only so)."""
    moment = datetime.datetime.fromtimestamp(seconds, tz=datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ" if whole else "%Y-%m-%dT%H:%M:%S.%fZ")

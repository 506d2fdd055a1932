"""When a job's schedule says that it runs.

https://cloud.google.com/storage-transfer/docs/reference/rest/v1/transferJobs#schedule
"""

import datetime
import math
from collections.abc import Mapping
from typing import Any

_A_DAY = 86_400.0
_LAST_SECOND = {"hours": 23, "minutes": 59, "seconds": 59}


def next_run(schedule: Mapping[str, Any], created: float, latest: float | None) -> float | None:
    """When the job runs next, in seconds since the epoch; None when it will not run any more.

    A schedule whose end is its start runs once. Without a time of day the first run is due at once, and the others at
    midnight UTC; a first time that was over when the job was created is put off by whole days, as the real
    service does.

    Args:
        schedule: `Schedule`, checked.
        created: When the schedule was given.
        latest: When the latest scheduled run was due; None before the first.
    """
    first = _first(schedule, created)
    once = schedule.get("scheduleEndDate") == schedule["scheduleStartDate"]
    if latest is None:
        due = first
    elif once:
        return None
    else:
        due = _after(schedule, first, latest)
    end = _end(schedule)
    return due if once or end is None or due <= end else None


def _first(schedule: Mapping[str, Any], created: float) -> float:
    start = _moment(schedule["scheduleStartDate"], schedule.get("startTimeOfDay", {}))
    if "startTimeOfDay" not in schedule:
        return max(start, created)
    return start if start >= created else start + _A_DAY * math.ceil((created - start) / _A_DAY)


def _after(schedule: Mapping[str, Any], first: float, latest: float) -> float:
    interval = float(schedule.get("repeatInterval", "0s")[:-1]) or _A_DAY
    if "startTimeOfDay" not in schedule and interval == _A_DAY:
        return (latest // _A_DAY + 1) * _A_DAY
    return first + interval * (math.floor((latest - first) / interval) + 1)


def _end(schedule: Mapping[str, Any]) -> float | None:
    if "scheduleEndDate" not in schedule:
        return None
    return _moment(schedule["scheduleEndDate"], schedule.get("endTimeOfDay", _LAST_SECOND))


def _moment(date: Mapping[str, int], time: Mapping[str, int]) -> float:
    day = datetime.datetime(date["year"], date["month"], date["day"], tzinfo=datetime.UTC).timestamp()
    return day + time.get("hours", 0) * 3600 + time.get("minutes", 0) * 60 + time.get("seconds", 0)

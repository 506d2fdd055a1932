from datetime import UTC, datetime

import pytest

from wif_pipelines.errors import ConfigurationError
from wif_pipelines.vertex.names import ResourceName, plain_time, same_key
from wif_pipelines_tests.vertex.specs import KEY

MODEL = "projects/736251948012/locations/us-central1/models/diagnostics"


def test_a_name_is_taken_apart_and_put_together() -> None:
    name = ResourceName.parse(f"{MODEL}@champion")
    assert name == ResourceName("736251948012", "us-central1", "models", "diagnostics", "champion")
    assert str(name) == f"{MODEL}@champion"
    assert name.unversioned == MODEL
    assert ResourceName.parse(MODEL).version is None


@pytest.mark.parametrize("name", ["", "diagnostics", "projects/p/models/m", f"{MODEL}/operations/1"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a Vertex AI resource name"):
        ResourceName.parse(name)


def test_a_key_is_the_same_with_its_version_and_none_is_none() -> None:
    assert same_key(KEY, f"{KEY}/cryptoKeyVersions/3")
    assert same_key(None, "")
    assert not same_key(KEY, None)
    assert not same_key(KEY, f"{KEY}2")


def test_times_become_plain() -> None:
    from google.protobuf.timestamp_pb2 import Timestamp
    from proto.datetime_helpers import DatetimeWithNanoseconds

    google = DatetimeWithNanoseconds.from_timestamp_pb(Timestamp(seconds=1_770_000_000))
    plain = plain_time(google)
    assert type(plain) is datetime
    assert plain == datetime.fromtimestamp(1_770_000_000, UTC)
    assert plain_time(None) is None

import pytest

from wif_pipelines.errors import ConfigurationError
from wif_pipelines.identity import ProviderName

NAME = "projects/736251948012/locations/global/workloadIdentityPools/workloads/providers/main"


@pytest.mark.parametrize("prefix", ["", "//iam.googleapis.com/", "https://iam.googleapis.com/"])
def test_every_spelling_of_a_provider_is_read(prefix: str) -> None:
    provider = ProviderName.parse(prefix + NAME)
    assert provider == ProviderName("736251948012", "workloads", "main")
    assert provider.audience == f"//iam.googleapis.com/{NAME}"
    assert provider.pool_name == "projects/736251948012/locations/global/workloadIdentityPools/workloads"


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        ("", "empty", "full name"),
        (NAME.replace("736251948012", "my-project"), "its id, 'my-project'", "gcloud projects describe my-project"),
        (NAME.partition("/providers")[0], "names a pool", "/providers/PROVIDER"),
        (f"principal://iam.googleapis.com/{NAME}", "is a principal", "full name"),
        ("//iam.googleapis.com/locations/global/workforcePools/p/providers/q", "for people", "full name"),
        (NAME.replace("workloads", "gcp-workloads"), "cannot be the id of a workload identity pool", "4 to 32"),
        (NAME.replace("main", "aws"), "cannot be the id of a workload identity provider", "4 to 32"),
        ("pipeline@p.iam.gserviceaccount.com", "no workload identity provider", "full name"),
        (NAME + "/subject/x", "no workload identity provider", "full name"),
    ],
)
def test_what_cannot_be_a_provider_is_told_why(text: str, message: str, remedy: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ProviderName.parse(text)
    assert message in caught.value.message
    assert remedy in caught.value.remedy

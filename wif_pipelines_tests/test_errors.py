import inspect
import pickle

import pytest

from wif_pipelines import errors
from wif_pipelines.errors import TokenExchangeError, VerificationError, WifError, WrongIdentityError

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, WifError)]


def test_says_what_to_do_below_what_happened() -> None:
    error = WifError("The key is disabled.", remedy="gcloud kms keys versions enable 1\nthen run again")
    assert str(error) == "The key is disabled.\n  → gcloud kms keys versions enable 1\n    then run again"
    assert error.message == "The key is disabled."


def test_survives_a_process_boundary_with_all_that_it_says() -> None:
    copy = pickle.loads(pickle.dumps(VerificationError("2 differ", remedy="copy again", objects=["a", "b"])))
    assert (type(copy), str(copy), copy.objects) == (VerificationError, "2 differ\n  → copy again", ("a", "b"))


@pytest.mark.parametrize(
    "error",
    [
        TokenExchangeError("no", remedy="wait", error="quota_exceeded", status=429, transient=True, retry_after=3.0),
        WrongIdentityError("no", remedy="look", expected="arn:a", found="arn:b", method="iam-role"),
    ],
)
def test_attributes_survive_too(error: WifError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert vars(copy) == vars(error)


@pytest.mark.parametrize("kind", CLASSES)
def test_the_tree_in_the_docstring_is_the_tree(kind: type[WifError]) -> None:
    """Each class stands in the drawing, indented one step more than its parent."""
    lines = [line for line in (errors.__doc__ or "").splitlines() if line.startswith("    ")]
    depths = {line.split()[-1 if line.strip() == "WifError" else 0]: 0 for line in lines if line.strip() == "WifError"}
    for line in lines:
        name = next((word for word in line.split() if word.endswith("Error")), None)
        if name:
            depths[name] = line.index(name)
    assert kind.__name__ in depths
    assert kind.__name__ in errors.__all__
    if kind is not WifError:
        parent = kind.__bases__[0].__name__
        assert depths[kind.__name__] == depths[parent] + 4

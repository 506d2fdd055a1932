"""Asking an endpoint, and a first check that it answers sensibly."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wif_pipelines.errors import DeploymentFailedError
from wif_pipelines.vertex.connection import VertexConnection
from wif_pipelines.vertex.names import ResourceName

if TYPE_CHECKING:
    from google.cloud import aiplatform_v1

__all__ = ["Answer", "Prediction", "Predictor", "SmokeAnswer", "SmokeCase", "SmokeResult", "smoke_test"]

Instance = Mapping[str, Any] | Sequence[Any]


@dataclass(frozen=True)
class Prediction:
    """What an endpoint answered.

    Attributes:
        predictions: One for each instance, in order, as the container wrote it. Numbers are floats.
        deployed_model_id: Which deployed model answered.
        model: Its model's resource name, without the version.
        version_id: Its version.
        seconds: From request to answer, with retries.
    """

    predictions: tuple[Any, ...]
    deployed_model_id: str
    model: str
    version_id: str
    seconds: float


@dataclass(frozen=True)
class Answer:
    """One prediction of a classifier.

    Attributes:
        label: The class it names.
        probability: How sure it is of that class, 0 to 1.
    """

    label: str
    probability: float


@dataclass(frozen=True)
class SmokeCase:
    """An instance whose true label is known.

    Attributes:
        instance: What is sent.
        expected: Its true label.
    """

    instance: Instance
    expected: str


@dataclass(frozen=True)
class SmokeAnswer:
    """What came back for one case."""

    expected: str
    label: str
    probability: float

    @property
    def is_right(self) -> bool:
        """Whether the answer is the true label."""
        return self.label == self.expected


@dataclass(frozen=True)
class SmokeResult:
    """What came of a smoke test.

    Attributes:
        answers: One for each case, in order.
        needed: The share of right answers that passes, 0 to 1.
        deployed_model_id: Which deployed model answered.
        version_id: Its version.
        seconds: From request to answer.
    """

    answers: tuple[SmokeAnswer, ...]
    needed: float
    deployed_model_id: str
    version_id: str
    seconds: float

    @property
    def right(self) -> int:
        """How many answers are right."""
        return sum(answer.is_right for answer in self.answers)

    @property
    def passed(self) -> bool:
        """Whether enough of them are."""
        return self.right >= self.needed * len(self.answers)

    def raise_for_failure(self, endpoint: str) -> None:
        """Return when the test passed.

        Args:
            endpoint: Which endpoint answered, for the message.

        Raises:
            DeploymentFailedError: Too few answers are right.
        """
        if self.passed:
            return
        wrong = next(answer for answer in self.answers if not answer.is_right)
        message = (
            f"The endpoint {endpoint} answered {self.right} of {len(self.answers)} known cases right, "
            f"below {self.needed:.0%}; first of the wrong ones: {wrong.label} ({wrong.probability:.2f}) "
            f"instead of {wrong.expected}."
        )
        remedy = "Roll back to the version before, and look at the model's evaluation and its input's format."
        raise DeploymentFailedError(message, remedy=remedy, job=endpoint)


class Predictor:
    """Asks endpoints of one project and region.

    Args:
        connection: Where, and as whom.
        timeout: Seconds for one request; Vertex AI itself ends one after 60 on a shared address.
    """

    def __init__(self, connection: VertexConnection, *, timeout: float = 60.0) -> None:
        self._connection = connection
        self._timeout = timeout

    def predict(
        self, endpoint_id: str, instances: Sequence[Instance], *, parameters: Mapping[str, Any] | None = None
    ) -> Prediction:
        """Ask for predictions. A request that failed in transit is sent again.

        Args:
            endpoint_id: The endpoint.
            instances: At most 1.5 MB of them in one request.
            parameters: Passed on to the container.

        Raises:
            NotFoundError: There is no such endpoint.
            WifError: Vertex AI or the container refused; the container's own words are in the message.
        """
        request = self._request(endpoint_id, instances, parameters)

        def send() -> "aiplatform_v1.PredictResponse":
            return self._connection.predictions.predict(request, retry=None, timeout=self._timeout)

        started = self._connection.clock.monotonic()
        answered = self._connection.call(send, doing=f"asking the endpoint {endpoint_id}")
        seconds = self._connection.clock.monotonic() - started
        return Prediction(
            predictions=tuple(_plain(value) for value in type(answered).pb(answered).predictions),
            deployed_model_id=answered.deployed_model_id,
            model=ResourceName.parse(answered.model).unversioned if answered.model else "",
            version_id=answered.model_version_id,
            seconds=seconds,
        )

    def _request(
        self, endpoint_id: str, instances: Sequence[Instance], parameters: Mapping[str, Any] | None
    ) -> "aiplatform_v1.PredictRequest":
        from google.cloud.aiplatform_v1 import PredictRequest
        from google.protobuf.json_format import ParseDict
        from google.protobuf.struct_pb2 import Value

        request = PredictRequest(endpoint=f"{self._connection.parent}/endpoints/{endpoint_id}")
        # Below the wrapper: it would take each Value apart and refuse it.
        message = PredictRequest.pb(request)
        message.instances.extend(ParseDict(_sendable(instance), Value()) for instance in instances)
        if parameters is not None:
            ParseDict(dict(parameters), message.parameters)
        return request


def label_and_probability(prediction: Any) -> Answer:
    """Read ``{"label": ..., "probability": ...}``.

    Raises:
        KeyError: It is not of this form.
    """
    return Answer(str(prediction["label"]), float(prediction["probability"]))


def smoke_test(
    predictor: Predictor,
    endpoint_id: str,
    cases: Sequence[SmokeCase],
    *,
    needed: float = 1.0,
    read: Callable[[Any], Answer] = label_and_probability,
) -> SmokeResult:
    """Ask for cases whose true label is known.

    It shows that the endpoint answers, in the right form and mostly right; it does not measure the model.

    Args:
        predictor: Asks.
        endpoint_id: Whom.
        cases: At least one; all go in one request.
        needed: The share of right answers that passes.
        read: Reads a label and its probability from one prediction.

    Raises:
        DeploymentFailedError: The answer is not of the expected form.
        WifError: The endpoint does not answer.
    """
    asked = predictor.predict(endpoint_id, [case.instance for case in cases])
    try:
        answers = [read(prediction) for prediction in asked.predictions]
        pairs = list(zip(cases, answers, strict=True))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        answered = f"{asked.predictions!r:.300}"
        message = f"The endpoint {endpoint_id} answered {len(cases)} instances in an unexpected form: {answered}"
        remedy = "Check that the serving image belongs to this model and answers with a label and a probability."
        raise DeploymentFailedError(message, remedy=remedy, job=endpoint_id) from error
    return SmokeResult(
        answers=tuple(SmokeAnswer(case.expected, answer.label, answer.probability) for case, answer in pairs),
        needed=needed,
        deployed_model_id=asked.deployed_model_id,
        version_id=asked.version_id,
        seconds=asked.seconds,
    )


def _sendable(instance: Instance) -> Any:
    return dict(instance) if isinstance(instance, Mapping) else list(instance)


def _plain(value: Any) -> Any:
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(value)

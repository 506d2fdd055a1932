"""A model that Vertex AI trains on a verified dataset and serves, all under the customer's key."""

from collections.abc import Sequence

import dagster as dg

from wif_pipelines.orchestration.model_assets import ModelPipeline, model_assets


class VertexModel(dg.Component, dg.Model, dg.Resolvable):
    """Assets that train, register, deploy and try a model.

    Values of images, buckets, accounts and keys may be `env:NAME`: the variable is then read when a run needs it.

    Attributes:
        name: The model's id, and its assets' key prefix.
        group: Under which the UI shows the assets; the name when empty.
        dataset: Key of the verified dataset, such as `exports/verified_dataset`.
        training_image: Container that trains; it gets `AIP_TRAINING_DATA_URI` beside Vertex AI's own variables.
        serving_image: Container that serves.
        artifact_bucket: Where training writes; in the region of Vertex AI.
        service_account: Whom the containers run as.
        kms_key: Full name of the customer's key.
        endpoint_id: Of the endpoint.
        machine_type: Of the training job and the endpoint.
        smoke_file: CSV below the dataset whose rows have a known label.
        smoke_label: Its column of true labels.
        smoke_ignored: Its columns that are no features.
        smoke_rows: How many rows to ask.
        smoke_needed: Share of right answers that passes, 0 to 1.
        train_job: Name of the job that makes the model from the dataset as it is.
        whole_job: Name of the job that makes the dataset first; empty for none.
    """

    name: str
    dataset: str
    training_image: str
    serving_image: str
    artifact_bucket: str
    service_account: str
    kms_key: str
    endpoint_id: str
    smoke_file: str
    smoke_label: str
    group: str = ""
    smoke_ignored: Sequence[str] = ()
    smoke_rows: int = 12
    smoke_needed: float = 0.75
    machine_type: str = "n1-standard-4"
    train_job: str = "train_and_deploy"
    whole_job: str = "ingest_and_train"

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002 - Dagster's interface
        """The model's assets and its jobs."""
        dataset = dg.AssetKey.from_user_string(self.dataset)
        assets = model_assets(
            ModelPipeline(
                name=self.name,
                group=self.group or self.name,
                dataset=dataset,
                training_image=self.training_image,
                serving_image=self.serving_image,
                artifact_bucket=self.artifact_bucket,
                service_account=self.service_account,
                kms_key=self.kms_key,
                machine_type=self.machine_type,
                endpoint_id=self.endpoint_id,
                smoke_file=self.smoke_file,
                smoke_label=self.smoke_label,
                smoke_ignored=tuple(self.smoke_ignored),
                smoke_rows=self.smoke_rows,
                smoke_needed=self.smoke_needed,
            )
        )
        own = dg.AssetSelection.assets(*assets)
        train = dg.define_asset_job(
            self.train_job, selection=own, description=f"Train {self.name} on the dataset as it is, and deploy it."
        )
        whole = dg.define_asset_job(
            self.whole_job,
            selection=own | dg.AssetSelection.assets(dataset).upstream(),
            description=f"Bring the data of {self.name}, verify it, train, deploy and try the model.",
        )
        return dg.Definitions(assets=assets, jobs=[train, *([whole] if self.whole_job else [])])

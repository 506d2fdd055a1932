"""The part that knows Dagster: resources, assets, sensors and schedules over the rooms below."""

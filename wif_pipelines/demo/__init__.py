"""The main job on the local cloud, from an empty machine to a served model, and what happened as a table."""

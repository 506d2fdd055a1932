"""The AWS half of the local cloud: moto in a process of its own, behind a gate that checks who asks and what for."""

"""The way in: an HTTPS proxy on loopback that stands in for the clouds' real addresses."""

"""The token exchange: outside credentials in, federated access tokens out."""

"""Identity and Access Management: pools, providers, service accounts, roles and their policies."""

"""A local cloud: AWS and Google behind their real addresses, on one machine, with real client libraries unchanged.

It imports nothing of the product, so that it cannot agree with the product's mistakes.
"""

"""Delivery, from the end of a span to the receiver, with every kind of failure.

In each test, the spans that ended are exactly those that were exported, failed, dropped or wait,
and every span that counts as exported has arrived.
"""

"""What each command takes and which face it runs; :mod:`pdplan.cli.app` puts them in order.

A declaration imports its face when it runs: ``--help`` stays fast.
"""

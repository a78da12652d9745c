"""pdplan.latency"""

"""How hypothesis draws: the same examples on every run, so that a failure is a change of the code.

``pytest --hypothesis-profile=hunt`` draws anew, and more, to look for examples that break a property.
"""

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.register_profile("hunt", max_examples=1000, deadline=None, print_blob=True)
settings.load_profile("repeatable")

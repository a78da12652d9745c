"""The planner's own small expressions, traced by `explain` like every other formula."""

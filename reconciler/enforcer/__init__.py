"""The enforcer: sees that every target is in the state its schedule wants (DESIGN section 8).

``tick`` is one round: it looks at the targets that are due for it, judges each by the rules of doubt,
commands, and says when to look again. All I/O is behind ``ArmingPort`` and ``Journal``; time is an
argument. ``once`` and ``daemon`` call it for cron and as a service.
"""

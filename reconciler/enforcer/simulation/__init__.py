"""A digital twin: the enforcer's own rounds on a simulated clock, among people, open doors and outages.

``simulate`` drives ``tick`` over panels in memory, from one event to the next. Everything that happens is
derived from the seed, so that a run can be repeated bit for bit. Times inside are whole microseconds
since 1970 UTC.
"""

from reconciler.enforcer.simulation.causes import Cause
from reconciler.enforcer.simulation.faults import Faults
from reconciler.enforcer.simulation.run import Setting, Simulation, simulate
from reconciler.enforcer.simulation.world import Rate, documented_rate

__all__ = ["Cause", "Faults", "Rate", "Setting", "Simulation", "documented_rate", "simulate"]

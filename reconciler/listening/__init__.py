"""Webhooks in: a receiver that answers once an event is in the ledger, and what is done with it afterwards.

``Receiver`` runs in a thread of any process; ``arming_event`` reads what an event says about arming.
"""

from reconciler.listening.arming_events import ArmingEvent, arming_event
from reconciler.listening.endpoints import Endpoint, Received, Signing, System
from reconciler.listening.receiver import Receiver

__all__ = ["ArmingEvent", "Endpoint", "Received", "Receiver", "Signing", "System", "arming_event"]

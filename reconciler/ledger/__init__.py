"""Ledger: what we own, what we intended, what happened."""

from reconciler.ledger.alerts import AlertRecord
from reconciler.ledger.answers import Answer, AnswerDraft
from reconciler.ledger.arming import CommandRecord, Override
from reconciler.ledger.branch_ledger import KEY_VARIABLE
from reconciler.ledger.branch_store import BranchStore
from reconciler.ledger.claim import Lease
from reconciler.ledger.confirmations import Confirmation
from reconciler.ledger.database import stamp
from reconciler.ledger.deliveries import Consumption, Delivery, DeliveryFigures
from reconciler.ledger.journal import Run
from reconciler.ledger.lanes import DueRow, Hold, LaneRow, LaneTables, fence, lane_of
from reconciler.ledger.ledger import Ledger
from reconciler.ledger.lock import EnvironmentLock, Holder, user_name
from reconciler.ledger.reports import ArmingReport, ReportDraft
from reconciler.ledger.store import FileStore, Lock, Store, database_store
from reconciler.ledger.upkeep import keep_moves, keep_secrets, take_lanes_back

__all__ = [
    "KEY_VARIABLE",
    "AlertRecord",
    "Answer",
    "AnswerDraft",
    "ArmingReport",
    "BranchStore",
    "CommandRecord",
    "Confirmation",
    "Consumption",
    "Delivery",
    "DeliveryFigures",
    "DueRow",
    "EnvironmentLock",
    "FileStore",
    "Hold",
    "Holder",
    "LaneRow",
    "LaneTables",
    "Lease",
    "Ledger",
    "Lock",
    "Override",
    "ReportDraft",
    "Run",
    "Store",
    "database_store",
    "fence",
    "keep_moves",
    "keep_secrets",
    "lane_of",
    "stamp",
    "take_lanes_back",
    "user_name",
]

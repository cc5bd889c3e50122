"""Which log a cursor speaks of."""

from bonafides.bus import Admin
from bonafides.topics import MARKET, WALLET_EVENTS


def log_identity(admin: Admin) -> str:
    """Names the cluster and the incarnation of both topics; raises Unavailable when one does not exist yet."""
    found = [admin.identity(topic.name) for topic in (WALLET_EVENTS, MARKET)]
    return "/".join((found[0].cluster_id, *(identity.topic_id for identity in found)))

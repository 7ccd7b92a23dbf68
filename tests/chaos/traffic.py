"""The callers of a run: every protocol, every kind of key, at both gateways."""

from callers import Http1Caller, Http2Caller
from fleet import NARROW

OPEN = "uuuussble"  # What most ask for, by wording.py.
SHORT = "uuse"
FAILING = OPEN + "f"


def callers(fleet, seed, failing=False, pause_s=0.08):
    """`failing`: some ask for what the providers fail at."""
    secrets = {each.name: fleet.secrets_of(each) for each in fleet.gateways}
    kinds = FAILING if failing else OPEN
    plan = [(fleet.plain, "http", "app", kinds, Http1Caller, 0.1)] * 3
    plan += [(fleet.edge, "https", "app", kinds, Http1Caller, 0.1)] * 2
    plan += [(fleet.edge, "h2", "app", kinds, Http2Caller, 0.1)] * 2
    for gateway, protocol, kind in ((fleet.plain, "http", Http1Caller),
                                    (fleet.edge, "https", Http1Caller)):
        # More of them than the mode's bound lets through at a time whatever happens.
        plan += [(gateway, protocol, "narrow", "sl", kind, 0)] * NARROW
        plan += [(gateway, protocol, "limited", "u", kind, 0)]
        plan += [(gateway, protocol, user, SHORT, kind, 0)
                 for user in ("database", "redis", "store")]
    made = []
    for number, (gateway, protocol, user, asks, kind, leaves) in enumerate(plan):
        secret = secrets[gateway.name][user]
        caller = kind(number, gateway, protocol, user, secret, asks,
                      pause_s * (3 if user in ("narrow", "limited") else 1), seed)
        caller.leaves = leaves
        made.append(caller)
    return made


def end(made, patience_s=40):
    """Those that did not end in time: each is a request that is stuck."""
    for caller in made:
        caller.over.set()
    for caller in made:
        caller.join(patience_s)
    return [caller for caller in made if caller.is_alive()]

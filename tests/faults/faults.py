# SPDX-License-Identifier: Apache-2.0
"""What breaks.  Each is called with the Rig under load, and heals in the end.

An attribute of the function says what it needs:

    ensemble    three servers instead of one; and no proxies
    standstill  a system call may take so many session timeouts longer
"""

import time

from harness.wait import SLOW, wait_for

FAULTS = {}


def fault(**attributes):
    def register(f):
        f.ensemble = attributes.get("ensemble", False)
        f.standstill = attributes.get("standstill", 0)
        FAULTS[f.__name__.replace("_", "-")] = f
        return f
    return register


# -- servers ----------------------------------------------------------------

@fault()
def server_killed(rig):
    rig.server.kill()
    rig.server.start()


@fault()
def server_down(rig):
    """For twice the session timeout: it has no clock while it is down."""
    rig.server.kill()
    time.sleep(2 * rig.session)
    rig.server.start()


@fault()
def server_stands_still(rig):
    """For half of the session timeout."""
    rig.server.pause()
    time.sleep(rig.session / 2)
    rig.server.resume()


@fault()
def server_stands_long(rig):
    rig.server.pause()
    time.sleep(2 * rig.session)
    rig.server.resume()


@fault(ensemble=True)
def leader_killed(rig):
    leader = rig.ensemble.leader()
    leader.kill()
    wait_for(lambda: rig.ensemble.leader() is not leader, 30, "a new leader")
    leader.start(wait=False)
    rig.ensemble.wait_serving()


@fault(ensemble=True)
def rolling_restart(rig):
    for member in rig.ensemble.members:
        member.kill()
        rig.ensemble.leader()
        rig.run(1)
        member.start(wait=False)
        rig.ensemble.wait_serving()


# -- the daemon -------------------------------------------------------------

@fault(standstill=2)
def daemon_stands_long(rig):
    """Its session expires meanwhile."""
    rig.pause_daemon(0, 2 * rig.session)


@fault()
def daemon_killed(rig):
    rig.remount(0)


# -- the network ------------------------------------------------------------

@fault()
def session_terminated(rig):
    for proxy in rig.proxies:
        proxy.terminate()


@fault()
def connections_cut(rig):
    for _ in range(5):
        for proxy in rig.proxies:
            proxy.cut()
        rig.run(0.3)


@fault()
def cut_at_any_byte(rig):
    """Every connection breaks off, most of them in the middle of a packet."""
    for proxy in rig.proxies:
        proxy.budget = 20_000
        proxy.cut()
    rig.run(5)
    for proxy in rig.proxies:
        proxy.budget = 0
        proxy.cut()


@fault()
def delayed(rig):
    """Each packet takes up to 50 ms, both ways."""
    for proxy in rig.proxies:
        proxy.delay = 0.05 * SLOW
    rig.run(4)
    for proxy in rig.proxies:
        proxy.delay = 0


@fault()
def network_stands_long(rig):
    """Then what was under way arrives, twice the session timeout later."""
    for proxy in rig.proxies:
        proxy.freeze()
    time.sleep(2 * rig.session)
    for proxy in rig.proxies:
        proxy.thaw()


@fault()
def blackholed(rig):
    """One mount's connections lead nowhere any more; new ones do."""
    rig.proxies[0].darken()
    rig.run(rig.session)


@fault()
def half_open(rig):
    """The servers have closed the connections, the daemons do not know."""
    for proxy in rig.proxies:
        proxy.abandon()
    rig.run(rig.session)

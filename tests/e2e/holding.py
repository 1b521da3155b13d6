"""Recordings of tests/targets/holding.c."""

import harness


def record(case, *options):
    """One with a snapshot at its end, in which what grows did so in each of the windows
    of `heapline watch`: where the machine is busy, a start or a pause may fill one."""
    for _ in range(20):
        run = case.record([harness.target("holding")], ["--snapshot-at-exit", *options])
        case.assertEqual(run.status, 0, run)
        if case.heapline("watch", "--json", run.profile).status == 23:
            return run
    case.fail("it never grew in each window of time")
    return None

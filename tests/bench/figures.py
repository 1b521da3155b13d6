"""Medians, ratios and verdicts of the bench, and how they are printed."""

import statistics

MIB = 1024.0
FORGIVEN = 20  # allocations


def good(results):
    return [r for r in results if "failed" not in r]


def median(results, key):
    values = [r[key] for r in good(results) if r.get(key) is not None]
    return statistics.median(values) if values else None


def ratio(results, native, key):
    """Median over the rounds of this tool's figure over native's in the same round."""
    base = {r["round"]: r[key] for r in good(native)}
    values = [r[key] / base[r["round"]] for r in good(results)
              if base.get(r["round"])]
    return statistics.median(values) if values else None


def best(results, key):
    return min((r[key] for r in good(results)), default=None)


# ---- verdicts -------------------------------------------------------------------


def difference(said, counted, forgiven):
    """What is wrong with a tool's totals; "" if nothing."""
    wrong = []
    if abs(said.get("allocations", 0) - counted["allocations"]) <= forgiven:
        return ""
    for key in ("allocations", "bytes"):
        if key in said and said[key] != counted[key]:
            by = said[key] - counted[key]
            wrong.append("%s %+d (%.2g %%)" % (key, by, 100.0 * by / max(1, counted[key])))
    return ", ".join(wrong)


def verdict(name, tool, done):
    """(whether the row counts, why)."""
    results = done["tools"].get(name, [])
    if not good(results):
        return False, (results[0]["failed"] if results else "not run")
    if name in ("native", "counting"):
        return True, ""
    lost = sum(r["totals"].get("lost", 0) for r in good(results))
    if lost:
        return False, "LOST %d events" % lost
    if not getattr(tool, "exact", True):
        return True, "no totals to check"
    check = done["checks"].get(name)
    reference = done.get("reference")
    seen = []
    if check and "failed" in check:
        seen.append("with the shim: " + check["failed"])
    elif check and check["totals"]:
        seen.append(difference(check["totals"], check["counted"], tool.forgiven))
    if reference and check and "failed" not in check:
        # A thread's table of the loader's has an entry for each library with
        # thread-locals: the tool's own changes the size of one block.
        reference = check["counted"]
    if reference:
        # What a program allocates may depend on its environment, a variable or two.
        slack = max(tool.forgiven, FORGIVEN) if check else tool.forgiven
        spread = (done.get("reference") or {}).get("spread", 0)
        slack += 3 * spread
        seen += [difference(r["totals"], reference, slack)
                 for r in good(results) if "allocations" in r["totals"]]
    if not seen:
        return False, "totals could not be checked"
    wrong = next((s for s in seen if s), "")
    if wrong:
        return False, "differs: " + wrong
    if not tool.forgiven:
        return True, "exact"
    if reference and reference.get("spread"):
        return True, "as the program itself repeats them"
    return True, "exact but for its start"


def judge(done, tools):
    done["verdicts"] = {}
    for name in done["tools"]:
        counts, why = verdict(name, tools[name], done)
        done["verdicts"][name] = {"counts": counts, "why": why}


# ---- printing -------------------------------------------------------------------


def print_head(machine, rounds, tools):
    print("%s, %d cores, Linux %s, %s; load %.1f at the start; %d rounds" % (
        machine["processor"], machine["cores"], machine["kernel"], machine["libc"],
        machine["load"], rounds))
    print("Medians; ratios: median over the rounds of the tool's figure over native's in"
          " that round;\nbest: the least. report: seconds from the\nprogram's end to the first textual"
          " report. A row marked ! does not count: it lost events, or\nits totals are not"
          " the counting shim's, or could not be checked. Peers are forgiven up to 20\n"
          "allocations, of their own at the start or missed until then.")
    for tool in tools:
        if tool.note:
            print("  %s: %s" % (tool.name, tool.note))


def number(value, form):
    return "-" if value is None else form % value


def print_work(done, tools):
    print("\n%s: %s" % (done["work"], done["what"]))
    if "failed" in done:
        print("  left out: " + done["failed"])
        return
    reference = done.get("reference")
    if reference:
        print("  %s allocations, %s bytes" % (
            format(reference["allocations"], ","), format(reference["bytes"], ",")))
    native = done["tools"]["native"]
    key = "ns" if good(native) and "ns" in good(native)[0] else "wall"
    form = "%.1f" if key == "ns" else "%.3f"
    print("%-18s %9s %9s %6s %8s %6s %8s %8s %8s %7s %2s  %s" % (
        "", "ns/pair" if key == "ns" else "wall s", "best", "ratio", "cpu s", "ratio",
        "target M", "tool M", "file K", "report", "n", "totals"))
    for tool in tools:
        results = done["tools"].get(tool.name)
        if results is None:
            continue
        v = done["verdicts"][tool.name]
        print("%-18s %9s %9s %6s %8s %6s %8s %8s %8s %7s %2d  %s" % (
            tool.name + ("" if v["counts"] else " !"),
            number(median(results, key), form), number(best(results, key), form),
            number(ratio(results, native, key), "%.2f"),
            number(median(results, "cpu"), "%.3f"),
            number(ratio(results, native, "cpu"), "%.2f"),
            amount(results, "target_kib"), amount(results, "tool_kib"),
            amount(results, "file"), number(median(results, "report"), "%.2f"),
            len(good(results)), v["why"]))
    for name, why in done["left_out"].items():
        print("  %s left out: %s" % (name, why))
    for key, what in (("ns", "wall"), ("own", "the threads' own CPU")):
        added = added_times(done, key)
        if added:
            print("  added per pair, %s: %s" % (what, ", ".join(added)))


def amount(results, key):
    value = median(results, key)
    if value is None:
        return "-"
    return "%.1f" % (value / MIB) if value else "0"


def added_times(done, key):
    """What each tool adds to a pair, and that over what heaptrack adds."""
    native = median(done["tools"]["native"], key)
    if native is None:
        return []
    added = {name: median(results, key) - native
             for name, results in done["tools"].items()
             if name != "native" and good(results)}
    peer = added.get("heaptrack")
    return ["%s %.1f ns%s" % (
        name, ns, " (%.2f of heaptrack's)" % (ns / peer)
        if peer and name.startswith("heapline") else "") for name, ns in added.items()]


def print_summary(works):
    """Wall over native of all works in one table."""
    names = []
    for done in works:
        names += [n for n in done.get("tools", {}) if n not in names and n != "native"]
    rows = [d for d in works if d.get("tools")]
    if len(rows) < 2 or not names:
        return
    print("\nwall (micro: time per pair) over native; ! does not count")
    print("%-12s" % "" + "".join("%11s" % n.replace("heapline-", "hl-")[:10]
                                 for n in names))
    for done in rows:
        native = done["tools"]["native"]
        key = "ns" if good(native) and "ns" in good(native)[0] else "wall"
        cells = []
        for name in names:
            value = ratio(done["tools"].get(name, []), native, key)
            mark = "" if done["verdicts"].get(name, {}).get("counts", True) else "!"
            cells.append("%11s" % (number(value, "%.2f") + (mark if value else "")))
        print("%-12s" % done["work"] + "".join(cells))

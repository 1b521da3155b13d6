"""Allocators of the program's own that tell of what they give out (heapline.h): their
chunks are blocks of their own, in totals, in the graph and in leak reports."""

import harness

pools = harness.target("pools")

WRONG = {"unknown_pools": 0, "unknown_chunks": 0, "other_pools": 0, "overlaps": 0}


class Pools(harness.Case):
    def run_it(self, what, *options):
        result = self.record([pools, what], ("--snapshot-at-exit", *options))
        self.assertEqual((result.status, result.stderr), (0, b""), result)
        report = self.read_json("report", result.profile)
        return result, report

    def lost(self, profile):
        """Bytes of blocks that nobody holds, and of those that are chunks."""
        blocks = self.read_json("blocks", profile, "--held=no", "-n", "10000")["blocks"]
        blocks = [b for b in blocks if "pthread" not in b["site"]]
        return (sorted(b["bytes"] for b in blocks if b.get("domain") != "pool"),
                sorted(b["bytes"] for b in blocks if b.get("domain") == "pool"))

    def findings(self, profile, *options):
        found = self.read_json("leaks", profile, "-n", "100", *options)["leaks"]
        return sorted((f["kind"], f["bytes"]) for f in found
                      if f["kind"] in ("definite", "indirect", "cycle"))

    def pool(self, report):
        domain = report["domains"]["pool"]
        return (domain["totals"]["allocations"], domain["totals"]["frees"],
                domain["live_at_end"]["blocks"], domain["live_at_end"]["bytes"])

    def test_chunks_are_lost_or_hold_what_they_lie_in(self):
        result, report = self.run_it("arena")
        self.assertEqual(self.pool(report), (8, 1, 7, 1575))
        self.assertEqual(report["pool_errors"], WRONG)
        # Of the lost arena, what its chunk has not; and what it alone holds.
        self.assertEqual(self.lost(result.profile),
                         ([675, 5000 - 175], [150, 175, 300, 400]))
        found = self.findings(result.profile)
        self.assertEqual(found, [("definite", 150), ("definite", 175),
                                 ("definite", 300), ("definite", 4825),
                                 ("indirect", 400), ("indirect", 675)])
        self.assertEqual(self.findings(result.profile, "--domain=pool"),
                         [("definite", 150), ("definite", 175), ("definite", 300),
                          ("indirect", 400)])
        # Who holds the second arena: its chunk.
        arena = [b for b in self.read_json("blocks", result.profile, "-n", "100")["blocks"]
                 if b["bytes"] == 300000 - 150 - 250]
        path = self.heapline("path", arena[0]["address"], result.profile)
        self.assertEqual(path.status, 0, path)
        self.assertRegex(path.stdout.decode(), r"chunk inside -> block\b")

    def test_in_mappings_and_in_static_memory(self):
        result, report = self.run_it("map")
        self.assertEqual(self.pool(report), (6, 1, 5, 1350))
        self.assertEqual(self.lost(result.profile), ([], [300, 350, 400]))

    def test_at_the_start_of_a_block_or_all_of_it_or_in_a_chunk(self):
        result, report = self.run_it("start")
        self.assertEqual(self.pool(report)[2:], (6, 64 + 32 + 700 + 512 + 48 + 80))
        self.assertEqual(self.lost(result.profile), ([], [48, 64]))
        everything = self.read_json("blocks", result.profile, "-n", "100")["blocks"]
        sizes = sorted(b["bytes"] for b in everything
                       if b["site"].find("starts") >= 0)
        # No byte twice, and none of what is all a chunk's.
        self.assertEqual(sizes, [32, 48, 64, 80, 1000 - 64 - 32 - 512, 512 - 48 - 80,
                                 700][:4] + sorted([392, 384, 700]))

    def test_a_pool_is_destroyed_with_all_its_chunks(self):
        _, report = self.run_it("destroy")
        self.assertEqual(self.pool(report), (3000, 2010, 990, 990 * 20))
        self.assertEqual(report["pool_errors"], WRONG)

    def test_wrong_calls_are_counted_and_told(self):
        result, report = self.run_it("wrong")
        self.assertEqual(report["pool_errors"], {
            "unknown_pools": 3, "unknown_chunks": 2, "other_pools": 1, "overlaps": 1})
        self.assertEqual(self.pool(report), (5, 3, 2, 64))
        text = self.heapline("report", result.profile).stdout.decode()
        self.assertEqual(text.count(" (heapline.h)\n"), 4, text)

    def test_threads_give_each_other_chunks(self):
        result, report = self.run_it("threads")
        live = int(result.stdout.split()[1])
        self.assertEqual(report["pool_errors"], WRONG)
        self.assertEqual(self.pool(report)[2:], (live, 64 * live))
        self.assertEqual(report["losses"]["events"] if "losses" in report else 0, 0)

    def test_a_fork_child_has_its_parents_chunks(self):
        result, report = self.run_it("fork")
        self.assertEqual(result.stdout.decode().split()[:2], ["child", "0"])
        self.assertEqual(self.lost(result.profile), ([], [110, 130]))
        for process in report["processes"]:
            self.assertEqual(process["pool_errors"], WRONG)

    def test_a_chunk_that_outlived_its_memory_makes_nothing_look_lost(self):
        result, report = self.run_it("outlived")
        self.assertEqual(self.pool(report)[2:], (1, 1000))
        self.assertEqual(self.lost(result.profile), ([], []))

    def test_a_check_fails_for_a_chunk(self):
        done = self.heapline("check", "--", pools, "map")
        self.assertEqual(done.status, 23, done)

    def test_sampling_leaves_them_exact(self):
        _, report = self.run_it("destroy", "--sample=4096")
        self.assertEqual(self.pool(report), (3000, 2010, 990, 990 * 20))

    def test_nothing_happens_without_heapline(self):
        done = self.run_native([pools, "arena"])
        self.assertEqual((done.status, done.stdout), (0, b"arena -2\n"))


if __name__ == "__main__":
    harness.main()

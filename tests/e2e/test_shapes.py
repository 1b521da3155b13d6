"""Structures whose every pointer their program tells: each is found, where it is and
whither it points, and in their blocks is nothing else."""

import collections
import os
import unittest

import harness
import test_graph

target = harness.target


@unittest.skipUnless(os.path.exists(target("shapes")), "GLib or SQLite is missing")
class Shapes(test_graph.Scans):
    def scan_shapes(self):
        # GLib's slices are blocks of their own then.
        result = self.scan([target("shapes")], env={"G_SLICE": "always-malloc"})
        self.assertEqual(result.status, 0, result)
        true = collections.defaultdict(set)
        blocks, somewhere = collections.defaultdict(set), collections.defaultdict(set)
        for line in result.stdout.decode().splitlines():
            shape, block, *pointer = line.split()
            if block == "*":
                somewhere[shape].add(pointer[1])
                continue
            blocks[shape].add(block)
            if pointer:
                offset, to, into = int(pointer[0]), pointer[1], int(pointer[2])
                true[shape].add((block, offset, to, into))
        refs = self.read_json("refs", result.profile, "main", "--depth=1",
                              "--too-many=100000", "-n100000")
        found = {block["address"]: {(block["address"], r["offset"],
                                     r["block"]["address"], r["into"])
                                    for r in block["references"]}
                 for block in refs["blocks"]}
        sizes = {b["address"]: b["bytes"] for b in refs["blocks"]}
        return result.profile, true, blocks, somewhere, found, sizes

    def normal(self, pointer, sizes):
        """One past the end is told by how, not by how far."""
        block, offset, to, into = pointer
        return block, offset, to, 0 if into == sizes.get(to) else into

    def test_every_true_pointer_and_no_other(self):
        _, true, blocks, _, found, sizes = self.scan_shapes()
        self.assertEqual(set(blocks), {"list", "map", "hash", "vector", "deque", "string",
                                       "ring", "glist"})
        for shape, members in blocks.items():
            with self.subTest(shape):
                self.assertEqual(members - set(found), set())
                want = {self.normal(p, sizes) for p in true[shape]}
                got = {self.normal(p, sizes) for m in members for p in found[m]}
                self.assertEqual((sorted(want - got), sorted(got - want)), ([], []))
                self.assertGreaterEqual(len(want), 10)

    def test_what_is_in_a_library_is_found(self):
        profile, _, _, somewhere, found, sizes = self.scan_shapes()
        pointed = {p[2] for pointers in found.values() for p in pointers}
        roots = {r["block"]["address"]
                 for r in self.read_json("roots", profile)["roots"]}
        self.assertEqual(len(somewhere["ghash"]), 100)
        self.assertEqual(len(somewhere["sqlite"]), 2)
        for shape, places in somewhere.items():
            for place in places:  # SQLite's are a little into their blocks
                around = [b for b, size in sizes.items()
                          if int(b, 16) <= int(place, 16) < int(b, 16) + size]
                self.assertEqual(len(around), 1, place)
                self.assertIn(around[0], pointed | roots, shape)

    def test_nothing_of_them_is_lost(self):
        profile, _, blocks, _, _, _ = self.scan_shapes()
        lost = self.read_json("blocks", profile, "--held=no")["blocks"]
        # But for the ring, which is.
        self.assertEqual({b["address"] for b in lost}, blocks["ring"])
        rings = self.read_json("cycles", profile, "-n", "100000")["cycles"]
        self.assertIn(5, [r["count"] for r in rings])


if __name__ == "__main__":
    harness.main()

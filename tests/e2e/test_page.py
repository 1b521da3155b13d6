"""What `report --html` puts into a page of leaks and of the heap graph, against what the
verbs print for the same question; the browser's part is in test_viewer.py."""

import base64
import collections
import json
import os
import re
import zlib

import harness
import holding

LISTED = 200  # findings of a kind


def columns(page):
    """By name, as the page has them."""
    with open(page, encoding="ascii") as file:
        text = file.read()
    found = collections.defaultdict(bytes)
    element = r"data-name=(\S+) data-form=\S+ data-count=\d+>([^<]*)<"
    for name, data in re.findall(element, text):
        found[name] += base64.b64decode(data)
    return {name: zlib.decompress(data, -15) for name, data in found.items()}


class Page(harness.Case):
    def setUp(self):
        super().setUp()
        self.profile = holding.record(self).profile

    def columns(self, *options, profile=None):
        page = self.path("page.html")
        done = self.heapline("report", "--html", page, *options, profile or self.profile)
        self.assertEqual(done.status, 0, done)
        return columns(page)

    def graph(self, *options):
        found = self.columns(*options)
        heap = json.loads(found["heap"])
        self.assertEqual([s["number"] for s in heap["snapshots"]], [1])
        self.assertEqual((heap["why"], heap["graph_why"], heap["left_out"]), ("", "", 0))
        return json.loads(found["graph.1"])

    def test_leaks_are_what_the_verb_prints(self):
        found = self.columns()
        documents = json.loads(found["leaks"])
        kinds = set()
        for document in documents:
            kind = document["leaks"][0]["kind"]
            kinds.add(kind)
            self.assertEqual(document, self.read_json(
                "leaks", self.profile, "--kind=" + kind, "-n", str(LISTED)))
        listed = {k for k, sum in documents[0]["sums"].items() if sum["blocks"]}
        self.assertEqual(kinds, listed)
        self.assertLessEqual({"definite", "indirect", "cycle", "reachable"}, kinds)

    def test_a_small_page_lists_fewer(self):
        found = self.columns("--html-limit=60K")
        self.assertEqual(json.loads(found["heap"])["listed"], 20)
        for document in json.loads(found["leaks"]):
            kind = document["leaks"][0]["kind"]
            self.assertEqual(document, self.read_json(
                "leaks", self.profile, "--kind=" + kind, "-n", "20"))

    def test_what_grows_is_what_the_verb_prints(self):
        growing = json.loads(self.columns()["growing"])
        done = self.heapline("watch", "--json", self.profile)
        self.assertEqual(done.status, 23, done)
        self.assertEqual(growing, json.loads(done.stdout))
        self.assertIn("grow", str(growing["sites"]))

    def check_blocks(self, graph):
        """Each block's numbers, and that what is shown and what is counted make them
        up."""
        blocks = graph["blocks"]
        inward = collections.Counter(e["block"] for b in blocks for e in b["to"])
        for i, block in enumerate(blocks):
            shown = len(block["to"])
            others = sum(o["references"] for o in block["other_references"])
            self.assertLessEqual(shown + others, block["references"])
            others = sum(o["references"] for o in block["other_referrers"])
            self.assertLessEqual(inward[i] + others, block["referrers"])
            self.assertLessEqual(len(block["roots"]), block["root_count"])
        for block in blocks[:6] + blocks[-6:]:
            at = self.read_json("at", self.profile, block["address"])["blocks"][0]
            for key in ("bytes", "site", "held", "referrers", "references", "born_ns"):
                self.assertEqual(block[key], at[key])
            self.assertEqual(block["root_count"], len(at["roots"]))
            self.assertEqual(block["roots"], at["roots"][:8])

    def way(self, graph, block):
        """The blocks on the way to it, from its end on, as far as they are there."""
        by, at, steps = block["way"]["by"], block, [block]
        while True:
            before = [b for b in at["before"] if b["by"] == by]
            if not before:
                return steps
            edge = dict(before[0], block=graph["blocks"].index(at))
            edge.pop("by")
            self.assertIn(edge, graph["blocks"][before[0]["block"]]["to"])
            at = graph["blocks"][before[0]["block"]]
            steps.append(at)

    def check_ways(self, graph):
        """As `path` finds them: as long, from a root, and by blocks that point at
        the next. How many are whole."""
        whole = 0
        for block in graph["blocks"][::max(1, len(graph["blocks"]) // 25)]:
            path = self.read_json("path", self.profile, block["address"])["blocks"][0]
            self.assertEqual("way" in block, bool(path["paths"]))
            if not path["paths"]:
                continue
            steps = path["paths"][0]["steps"]
            self.assertEqual(len(steps), block["way"]["length"])
            way = self.way(graph, block)
            if len(way) == len(steps):
                whole += 1
                self.assertIn(graph["way_roots"][block["way"]["root"]], way[-1]["roots"])
            else:
                self.assertLess(len(way), len(steps))
        return whole

    def test_every_block_of_a_small_graph_is_whole(self):
        graph = self.graph()
        theirs = self.read_json("blocks", self.profile)
        for key in ("groups", "group_count", "snapshot"):
            self.assertEqual(graph[key], theirs[key])
        total = collections.Counter()
        for group in graph["groups"]:
            total["blocks"] += group["count"]
            total["bytes"] += group["sum_bytes"]
        self.assertEqual(total, {k: graph["snapshot"][k] for k in total})
        addresses = {b["address"] for b in graph["blocks"]}
        self.assertEqual(addresses, {b["address"] for b in theirs["blocks"]})
        self.check_blocks(graph)
        self.assertGreater(self.check_ways(graph), 10)
        shelf = max(graph["blocks"], key=lambda b: b["references"])
        self.assertEqual(shelf["references"], 301)
        self.assertEqual(len(shelf["to"]), 301)

    def test_a_part_of_a_graph_says_how_much_is_left_out(self):
        graph = self.graph("--html-limit=60K")
        self.assertEqual(len(graph["blocks"]), 61)
        self.check_blocks(graph)
        self.assertGreater(self.check_ways(graph), 1)
        held = [b for b in graph["blocks"] if b["held"] == "no"]
        self.assertTrue(held, "samples of leaks come first")
        self.assertTrue(any(b["other_references"] for b in graph["blocks"]))

    def test_without_a_snapshot_it_says_so(self):
        bare = self.record([harness.target("holding")]).profile
        found = self.columns(profile=bare)
        heap = json.loads(found["heap"])
        self.assertEqual(heap["snapshots"], [])
        leaks = json.loads(found["leaks"])
        self.assertIn("--snapshot-at-exit", leaks[0]["cause"])
        self.assertEqual([d["leaks"][0]["kind"] for d in leaks if d["leaks"]][0],
                         "unscanned")
        self.assertFalse([name for name in found if name.startswith("graph.")])

    def test_a_part_of_a_recording_has_no_verdict(self):
        found = self.columns("--at=end")
        self.assertTrue(json.loads(found["heap"])["cut"])
        self.assertNotIn("leaks", found)

    def test_the_viewer_cannot_end_its_own_element(self):
        for name in ("viewer.js", "viewer.css"):
            path = os.path.join(harness.SOURCE, "viewer", "bundle", name)
            with open(path, encoding="ascii") as file:
                text = file.read().lower()
            for end in ("</script", "<script", "</style", "<!--"):
                self.assertNotIn(end, text, name)


if __name__ == "__main__":
    harness.main()

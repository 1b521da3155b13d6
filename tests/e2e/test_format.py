"""docs/format.md is enough to read a profile: a reader that knows its tables from there
alone, and what it finds in real files."""

import os
import re
import zlib

import harness

LIMIT, SLACK = 16, 1 << 20  # what a file may inflate to
WHOLE = ("PROCESSES", "THREADS", "BINS", "UNFOLLOWED", "SNAPSHOTS", "EPOCHS", "TIMES",
         "SIZES", "OWNERS")


def columns_of(text):
    """[(name, coding)] of a block of the document, in its order."""
    found = []
    for line in re.split(r"\n(?! {20})", text):
        row = re.match(r"    (\S.*?)(?:  +(\S.*))?$", line.replace("\n", " "))
        for name in row[1].split(", "):
            found.append((name, row[2]))
    return found


def document():
    """{section: [(name, coding)]}, {number: section} as docs/format.md has them."""
    with open(os.path.join(harness.SOURCE, "docs", "format.md"), encoding="utf-8") as file:
        text = file.read()
    types = dict((int(number), name) for number, name in
                 re.findall(r"(\d+)  ([A-Z_]{4,})", text[text.index("Types:"):][:600]))
    sections = {}
    for section in text[text.index("## Rows"):].split("\n### ")[1:]:
        name = re.match(r"[A-Z_]+", section)[0]
        section = section.split("\n## ")[0]
        if name == "PIECES":  # rows of several kinds, which profiles without graphs lack
            continue
        blocks = [columns_of(b.rstrip("\n"))
                  for b in re.findall(r"(?m)(?:^    \S.*\n(?:^ {4,}\S.*\n)*)+", section)]
        if name == "PROCESSES":  # two of them are there "again"
            twice = [[[("%d.%s" % (k, n), c) for n, c in block] for k in (0, 1)]
                     for block in (blocks[1], blocks[3])]
            third, fourth = ([("%d.%s" % (k, n), c) for n, c in blocks[1]] for k in (2, 3))
            python, pools, finalised, arenas, at_peak, counted = blocks[4:]
            blocks = [blocks[0], *twice[0], blocks[2], *twice[1], python, third, pools,
                      finalised, fourth, arenas, at_peak, counted]
        sections[name] = [column for block in blocks for column in block]
    return sections, types


def piece_columns():
    """{kind: how many columns}, of the rows of PIECES but for names and contents."""
    with open(os.path.join(harness.SOURCE, "docs", "format.md"), encoding="utf-8") as file:
        text = file.read()
    section = text[text.index("### PIECES"):].split("\n### SITES")[0]
    kinds = {}
    for kind, what in re.findall(r"(?m)^ {3,4}(\d+) \w+ +(.*(?:\n {16}\S.*)*)", section):
        kinds[int(kind)] = 1 + re.sub(r"\([^)]*\)", "", what).count(";")
    return kinds


class Payload:
    def __init__(self, data):
        self.data, self.at = data, 0

    def varint(self):
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def u32(self):
        self.at += 4
        return int.from_bytes(self.data[self.at - 4 : self.at], "little")


def unzigzag(value):
    return value >> 1 ^ -(value & 1)


class Reader:
    """A profile, as the document says that it is read."""

    def __init__(self, data):
        self.columns, self.types = document()
        self.kinds = piece_columns()
        self.strings, self.part = [b""], b""
        self.rows = {name: [] for name in self.columns}
        self.sites, self.seen, self.commits, self.raw = {}, set(), 0, 0
        self.pieces = []
        assert data[:8] == b"\x89heapl\r\n"
        assert int.from_bytes(data[8:12], "little") == 2
        assert int.from_bytes(data[12:16], "little") == zlib.crc32(data[:12])
        self.run, self.since, at, number = 0, 0, 16, 0
        while at < len(data):
            at = self.chunk(data, at, number)
            number += 1

    def chunk(self, data, at, number):
        head = Payload(data[at : at + 24])
        kind, flags = head.u32(), 0
        kind, flags = kind & 0xFFFF, kind >> 16
        its_number, stored, raw, crc, head_crc = (head.u32() for _ in range(5))
        body = data[at + 24 : at + 24 + stored]
        assert (its_number, len(body)) == (number, stored)
        assert head_crc == zlib.crc32(data[at : at + 20]) and crc == zlib.crc32(body)
        self.raw += raw
        assert self.raw <= LIMIT * (at + 24 + stored) + SLACK
        if flags & 1:
            inflate = zlib.decompressobj()
            body = inflate.decompress(body)
            assert not inflate.unused_data.strip(b"\0")
        optional = 2 if kind >= 16 else 0
        assert len(body) == raw and flags in (optional, optional | 1)
        if self.types[kind] == "COMMIT":
            self.commits += 1
            fields = Payload(body)
            said = (fields.varint(), fields.varint(), fields.u32())
            assert said == (self.commits, self.since, self.run), said
            self.since = -1
        elif self.types[kind] == "STRING_PART":
            self.part += body
        elif self.types[kind] == "PIECES":
            piece = Payload(body)
            which, rows = piece.varint(), piece.varint()
            self.pieces.append((which, rows))
            assert rows <= 65536
            columns = self.kinds[which]
            for _ in range(columns * rows if which not in (1, 12) else 0):
                piece.varint()
            assert which in (1, 12) or piece.at == len(body), (which, piece.at, len(body))
        else:
            self.section(self.types[kind], Payload(body))
        self.run = zlib.crc32(data[at : at + 20], self.run)
        self.since += 1
        self.seen.add(self.types[kind])
        return at + 24 + stored

    def section(self, name, body):
        first, count, width = body.varint(), body.varint(), body.varint()
        columns = [("length", "plain")] if name == "STRINGS" else self.columns[name]
        assert width == len(columns), (name, width, len(columns))
        rows = [{} for _ in range(count)]
        for column, coding in columns:
            before = 0
            for row in rows:
                row[column] = before = self.value(row, column, coding or "plain",
                                                  body.varint(), before)
        getattr(self, "put_" + name, self.put)(name, first, rows, body)

    def value(self, row, column, coding, code, before):
        if coding.startswith("delta"):
            return before + unzigzag(code)
        if coding.startswith("signed"):
            return unzigzag(code)
        base = re.match(r"(\S+) - value", coding)
        if base:
            prefix = re.match(r"\d\.|", column)[0]
            return row[prefix + base[1]] - unzigzag(code)
        if coding.startswith("string"):
            return self.strings[code]
        assert coding.startswith("plain"), coding
        return code

    def put(self, name, first, rows, _):
        if name in WHOLE and not first:
            self.rows[name] = []
        if name in ("META", "STACK_CODES"):
            assert not first
            first = len(self.rows[name])
        root = name == "STACKS"  # number 0 is not written
        assert first == len(self.rows[name]) + root, (name, first)
        self.rows[name] += rows

    def put_STRINGS(self, _, first, rows, body):
        assert first == len(self.strings)
        for row in rows:
            text = self.part + body.data[body.at : body.at + row["length"]]
            body.at += row["length"]
            self.part = b""
            self.strings.append(text)

    def put_SITES(self, _, first, rows, body):
        assert not first
        for row in rows:
            row["classes"] = [body.varint() for k in ("sizes_count", "lives_count")
                              for _ in range(row[k])]
        for row in rows:
            row["counts"] = [body.varint() for _ in row["classes"]]
            self.sites[row["process_serial"], row["stack"], row["domain"]] = row


class Format(harness.Case):
    def read(self, args, options=()):
        result = self.record(args, options)
        with open(result.profile, "rb") as file:
            return Reader(file.read()), self.report_json(result)

    def check(self, reader, report):
        """Every figure that both have."""
        processes = {p["serial"]: p for p in reader.rows["PROCESSES"]}
        self.assertEqual(set(processes), {p["serial"] for p in report["processes"]})
        sums = dict.fromkeys(("allocs", "frees", "allocated_bytes", "freed_bytes"), 0)
        for site in reader.sites.values():
            self.assertIn(site["process_serial"], processes)
            self.assertLess(site["stack"], len(reader.rows["STACKS"]) + 1)
            self.assertEqual(sum(site["counts"][: site["sizes_count"]]), site["allocs"])
            for key in sums:
                sums[key] += site[key] if not site["domain"] else 0
        for theirs in report["processes"]:
            ours = processes[theirs["serial"]]
            self.assertEqual(ours["pid"], theirs["pid"])
            self.assertEqual(ours["command"].decode(), theirs["command"])
            self.assertEqual(ours["events"], theirs["events"])
            self.assertEqual(ours["0.peak.bytes"], theirs["peak"]["bytes"])
            self.assertEqual(ours["0.allocs"], theirs["totals"]["allocations"])
            self.assertEqual((ours["counted_with"], ours["counted"]),
                             (theirs["counted_with"], theirs["counted"]))
            self.assertEqual(ours["inherited.bytes"], theirs["inherited"]["bytes"])
            self.assertEqual(ours["inherited_freed.blocks"],
                             theirs["inherited"]["freed_blocks"])
        self.assertEqual(sums["allocs"], report["totals"]["allocations"])
        self.assertEqual(sums["frees"], report["totals"]["frees"])
        self.assertEqual(sums["allocated_bytes"], report["totals"]["allocated_bytes"])
        self.assertEqual(sums["freed_bytes"], report["totals"]["freed_bytes"])
        meta = reader.rows["META"][-1]
        self.assertEqual(meta["wall_ns"], report["wall_ns"])
        self.assertEqual(meta["complete"], 1)
        self.assertEqual(meta["version"].decode(), report["version"])

    def test_a_reader_made_from_the_document(self):
        reader, report = self.read([harness.target("demo")])
        self.check(reader, report)
        functions = {frame["function"] for frame in reader.rows["FRAMES"]}
        self.assertIn(b"sum_squares", functions)
        self.assertTrue(any(b"calloc(n," in s["text"] for s in reader.rows["SOURCES"]))

    def test_processes_and_what_was_not_followed(self):
        static = harness.target("static_example")
        reader, report = self.read(["/bin/sh", "-c", "%s; ls / | cat; exec env true"
                                    % static])
        self.check(reader, report)
        (missed,) = reader.rows["UNFOLLOWED"]
        self.assertEqual((missed["program"].decode(), missed["why"]), (static, 2))
        self.assertTrue(any(p["inherited.bytes"] for p in reader.rows["PROCESSES"]))

    def test_processes_that_are_counted_together(self):
        reader, report = self.read(
            ["sh", "-c", "for i in 1 2 3; do ls / >ls; sleep 0.05; done; cat ls"],
            ["--by-program"])
        self.check(reader, report)
        (row,) = [p for p in reader.rows["PROCESSES"] if p["exe"].endswith(b"/ls")
                  and p["counted"]]
        self.assertEqual(row["counted"], 3)
        self.assertEqual(len([p for p in reader.rows["PROCESSES"]
                              if p["counted_with"] == row["serial"]]), 3)
        sites = {}
        for share in reader.rows["TIMES"]:
            sites.setdefault((share["process_serial"], share["stack"], share["domain"]),
                             []).append(share)
        left = 0
        for key, shares in sites.items():
            parts = sum(share["left.bytes"] for share in shares[:-1])
            site = reader.sites[key]
            # Of the last row the rest; a process that is counted alone leaves nothing.
            self.assertLessEqual(parts, site["allocated_bytes"] - site["freed_bytes"])
            left += parts
            if key[0] != row["serial"] and not any(
                    p["counted"] for p in reader.rows["PROCESSES"] if p["serial"] == key[0]):
                self.assertEqual(parts, 0)
        self.assertGreater(left, 0)

    def test_pieces_of_types(self):
        script = self.write("objects.py", "import ctypes\n"
                            "class Node: pass\n"
                            "nodes = [Node() for _ in range(100)]\n"
                            "ctypes.CDLL(None).heapline_snapshot(b'now')\n")
        reader, _ = self.read(["/usr/bin/python3", script])
        self.assertLessEqual({13, 14, 15, 16, 17}, {k for k, n in reader.pieces if n})

    def test_every_section_of_the_document_occurs(self):
        reader, report = self.read([harness.target("demo")], ["--snapshot-at-exit"])
        (snapshot,) = reader.rows["SNAPSHOTS"]
        self.assertEqual(snapshot["blocks"], sum(n for k, n in reader.pieces if k == 4))
        self.assertEqual(sorted(reader.kinds), [*range(1, 18), 21])
        self.assertEqual(snapshot["bytes"], report["live_at_end"]["bytes"])
        self.assertEqual(set(reader.types.values()) - reader.seen, {"STRING_PART"})
        self.assertLessEqual(set(reader.columns), set(reader.types.values()))


if __name__ == "__main__":
    harness.main()

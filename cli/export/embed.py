"""Writes html_bundle.c: the viewer's script and style, and their hashes.

    embed.py SCRIPT STYLE OUTPUT
"""

import base64
import hashlib
import sys


def array(name, data):
    rows = [", ".join("%d" % b for b in data[i : i + 24]) for i in range(0, len(data), 24)]
    digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
    return (
        "const char html_bundle_%s[] = {%s};\n"
        "const size_t html_bundle_%s_bytes = sizeof(html_bundle_%s);\n"
        'const char html_bundle_%s_sha256[] = "%s";\n'
    ) % (name, ",\n".join(rows), name, name, name, digest)


def main():
    script, style, output = sys.argv[1:]
    text = '#include "cli/export/html_bundle.h"\n'
    for name, path in (("script", script), ("style", style)):
        with open(path, "rb") as file:
            data = file.read()
        # The page is ASCII, and an element ends where it is to end.
        if max(data) > 127 or b"</" + name.encode() in data.lower() or b"<!--" in data:
            sys.exit("%s cannot stand inside an HTML element" % path)
        text += array(name, data)
    with open(output, "w", encoding="ascii") as file:
        file.write(text)


main()

#!/bin/bash
# demo.sh - builds heapline and shows it: on Debian's xmllint over a large file, and
# on a small C program with debug information.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=tools/lib.sh
. tools/lib.sh

install_for_demo
say "building"
configure build -Dwerror=true -Dtests=auto
build build

heapline=$PWD/build/cli/heapline
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

make_xml() {
	awk 'BEGIN {
		print "<?xml version=\"1.0\"?>\n<library>"
		for (i = 0; i < 200000; i++)
			printf "<book id=\"%d\"><title>Title %d</title><year>%d</year></book>\n",
				i, i * 7919 % 100003, 1500 + i % 500
		print "</library>"
	}'
}

show() {
	printf '\n$ heapline %s\n' "$*"
	"$heapline" "$@"
}

make_xml >"$folder/books.xml"
cp build/tests/targets/demo "$folder/demo"
cd "$folder"

say "xmllint over $(($(wc -c <books.xml) / 1000000)) MB of XML"
show run -o xmllint.heapline -- xmllint --noout --xpath 'count(//book)' books.xml
show report xmllint.heapline

say "a small C program with debug information"
show run -o demo.heapline -- ./demo
show report demo.heapline
show lines demo.heapline

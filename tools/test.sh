#!/bin/bash
# test.sh - builds heapline in every way that matters and runs all its tests.
#
# The last line is `N passed, N failed`, over all builds; the exit status is 0 if
# nothing failed. Build trees: build (gcc, all suites), build-sanitize (unit and fuzz
# tests under AddressSanitizer and UBSan), build-tsan (under ThreadSanitizer) and
# build-clang (clang's warnings, unit tests).
set -u
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=tools/lib.sh
. tools/lib.sh

broken=0 # builds that could not be made
logs=()

# check DIR OPTIONS -- TEST-ARGUMENTS: builds, and runs the chosen tests.
check() {
	local dir=$1 options=()
	shift
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	say "$dir"
	rm -f "$dir"/meson-logs/testlog*
	if ! configure "$dir" -Dtests=enabled "${options[@]}" || ! build "$dir"; then
		broken=$((broken + 1))
		return
	fi
	meson test -C "$dir" --no-rebuild --print-errorlogs "$@"
	# (Under a wrapper meson names its log after that too.)
	local log
	for log in "$dir"/meson-logs/testlog*.json; do
		logs+=("${log%.json}")
	done
}

# has_suite DIR SUITE
has_suite() {
	meson introspect "$1" --tests 2>/dev/null | grep -q "\"heapline:$2\"\|\"$2\""
}

install_for_tests

export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1

check build -Dwerror=true --
# Sanitizers make gcc warn of what cannot happen: there, warnings are no errors.
check build-sanitize -Dwerror=false -Db_sanitize=address,undefined -Db_lundef=false -- \
	--suite unit --suite fuzz --timeout-multiplier 4

# ThreadSanitizer knows no memory layout with as many random bits as kernels may use.
tsan=(--timeout-multiplier 4)
setarch -R true 2>/dev/null && tsan+=(--wrapper "setarch -R")
configure build-tsan -Dtests=enabled -Dwerror=false -Db_sanitize=thread -Db_lundef=false
has_suite build-tsan tsan && tsan+=(--suite tsan) || tsan+=(--suite unit)
check build-tsan -Dwerror=false -- "${tsan[@]}"

CC=clang CXX=clang++ check build-clang -Dwerror=true -- --suite unit

/usr/bin/python3 tools/count_tests.py "$broken" "${logs[@]}"

#!/bin/bash
# test.sh - builds heapline in every way that matters and runs all its tests.
#
# The last line is `N passed, N failed`, over all builds; the exit status is 0 if
# nothing failed. One or two tests that fail are run again alone: the second run counts,
# the first is told at the end. Build trees: build (gcc, all suites), build-sanitize
# (unit and fuzz tests under AddressSanitizer and UBSan), build-tsan (tests of threads,
# under ThreadSanitizer) and build-clang (clang's warnings of everything, unit tests).
# The sanitizers' have no more than their tests need.
set -u
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=tools/lib.sh
. tools/lib.sh

broken=0 # builds that could not be made
logs=()

# check DIR OPTIONS -- [SUITE]...: builds, and runs the suites, or all tests.
check() {
	local dir=$1 options=() suites=() targets=()
	shift
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	say "$dir"
	rm -f "$dir"/meson-logs/{testlog,again}*
	if ! configure "$dir" -Dtests=enabled "${options[@]}"; then
		broken=$((broken + 1))
		return
	fi
	if [ "$only_tests" = yes ]; then
		mapfile -t targets < <(/usr/bin/python3 tools/test_targets.py "$dir" "$@")
		[ ${#targets[@]} != 0 ] || die "$dir has no tests of $*" "see tests/meson.build"
	fi
	if ! build "$dir" "${targets[@]}"; then
		broken=$((broken + 1))
		return
	fi
	for suite; do
		suites+=(--suite "$suite")
	done
	run_tests "$dir" "${suites[@]}"
	# (Under a wrapper meson names its log after that too.)
	local log own=() again=()
	for log in "$dir"/meson-logs/testlog*.json; do
		own+=("${log%.json}")
	done
	logs+=("${own[@]}")
	# A machine that is busy with others' work can fail one that waits for something,
	# but not twice when it is alone; what is broken fails again. Either way it is told.
	mapfile -t again < <(/usr/bin/python3 tools/count_tests.py --again "${own[@]}")
	[ ${#again[@]} = 0 ] || run_tests "$dir" --logbase again --num-processes 1 "${again[@]}"
}

run_tests() {
	local dir=$1
	shift
	meson test -C "$dir" --no-rebuild --print-errorlogs "${test_options[@]}" "$@"
}

install_for_tests

export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1

only_tests=no test_options=()
check build -Dwerror=true --
CC=clang CXX=clang++ check build-clang -Dwerror=true -- unit

# Sanitizers make gcc warn of what cannot happen: there, warnings are no errors.
only_tests=yes test_options=(--timeout-multiplier 4)
check build-sanitize -Dwerror=false -Db_sanitize=address,undefined -Db_lundef=false -- \
	unit fuzz

# ThreadSanitizer knows no memory layout with as many random bits as kernels may use.
setarch -R true 2>/dev/null && test_options+=(--wrapper "setarch -R")
check build-tsan -Dwerror=false -Db_sanitize=thread -Db_lundef=false -- tsan

/usr/bin/python3 tools/count_tests.py "$broken" "${logs[@]}"

#!/bin/bash
# soak.sh - long runs, outside the ordinary suite.
#
#	tools/soak.sh [RUN]...
#
# RUN is one of redis, threads, forks, hammer, parallel, loaded, leaks, cpython; all of them
# by default.
# Prints a plain line for each, with its figures, and `N passed, N failed` at the end;
# the exit status is 0 if nothing failed. HEAPLINE_PYTHONS names further interpreters for
# cpython, separated by colons. SOAK_SCALE divides the rounds (10 is a tenth).
# The tree in build/ is built first.
set -u
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=tools/lib.sh
. tools/lib.sh

scale=${SOAK_SCALE:-1}
passed=0
failed=0
dir=$(mktemp -d /tmp/heapline-soak-XXXXXX)
heapline=$PWD/build/cli/heapline
targets=$PWD/build/tests/targets
helpers=()

export HEAPLINE_BUILD=$PWD/build

end_helpers() {
	local pid
	for pid in "${helpers[@]}"; do
		kill "$pid" 2>/dev/null
	done
	helpers=()
}
trap 'end_helpers; rm -rf "$dir"' EXIT

# scaled N: N, scaled down, at least 1.
scaled() {
	local n=$(($1 / scale))
	echo $((n > 0 ? n : 1))
}

# result NAME STATUS FIGURES
result() {
	if [ "$2" = 0 ]; then
		passed=$((passed + 1))
		printf 'ok      %-9s %s\n' "$1" "$3"
	else
		failed=$((failed + 1))
		printf 'FAILED  %-9s %s\n' "$1" "$3"
	fi
}

# A collector may have its symbols to look up yet.
complete() {
	local i
	for ((i = 0; i < 600; i++)); do
		[ "$("$heapline" report --json "$1" 2>/dev/null | jq .complete)" = true ] &&
			return 0
		sleep 0.1
	done
	return 1
}

# exact PROFILE [FILTER]: whole, without loss or riddle, and what else is asked for.
exact() {
	complete "$1" && "$heapline" report --json "$1" |
		jq -e ".losses.events == 0 and .unknown_frees == 0 and .unseen_frees == 0 and
			.unfollowed == [] and (${2:-true})" >/dev/null
}

# e2e FILE TEST: one of the end-to-end tests, which says what is wrong.
e2e() {
	/usr/bin/python3 "tests/e2e/$1" "$2" >"$dir/log" 2>&1 || {
		grep '^not ok\|Error' "$dir/log" >&2
		return 1
	}
}

# rounds NAME N COMMAND...: how many of N failed, and how long it took.
rounds() {
	local name=$1 n=$2 bad=0 began=$SECONDS i
	shift 2
	for ((i = 0; i < n; i++)); do
		"$@" "$i" || bad=$((bad + 1))
	done
	result "$name" "$bad" "$((n - bad)) of $n right, $((SECONDS - began)) s: $*"
}

# ---- redis-server under load -----------------------------------------------------

redis_load() { # requests each second, of sets
	redis-benchmark -s "$dir/redis.sock" -q --csv -c 20 -P 4 -r 100000 \
		-n "$(scaled 400000)" -t set,get,lpush,sadd,hset,zadd 2>/dev/null |
		sed -n 's/^"SET","\([0-9]*\).*/\1/p'
}

redis_server() { # [HEAPLINE ...]
	rm -f "$dir/dump.rdb"
	"$@" redis-server --port 0 --unixsocket "$dir/redis.sock" --dir "$dir" --save '' \
		--daemonize no >"$dir/redis.log" 2>&1 &
	server=$!
	local i
	for ((i = 0; i < 200; i++)); do
		redis-cli -s "$dir/redis.sock" ping >/dev/null 2>&1 && return 0
		sleep 0.05
	done
	return 1
}

redis_stop() {
	redis-cli -s "$dir/redis.sock" bgsave >/dev/null
	while redis-cli -s "$dir/redis.sock" info persistence |
		grep -q rdb_bgsave_in_progress:1; do
		sleep 0.1
	done
	redis-cli -s "$dir/redis.sock" shutdown nosave >/dev/null 2>&1
	wait "$server"
}

soak_redis() {
	local native recorded status figures profile=$dir/redis.heapline
	command -v redis-benchmark >/dev/null ||
		die "redis-server is missing" "apt-get install redis-server redis-tools"
	redis_server && native=$(redis_load) && redis_stop
	redis_server "$heapline" run -q -o "$profile" -- && recorded=$(redis_load) &&
		redis_stop
	status=$?
	exact "$profile" '(.processes | length) == 2 and all(.processes[]; .exit == 0)' ||
		status=1
	figures=$("$heapline" report --json "$profile" |
		jq -r '"\(.events) events, peak \(.peak.bytes / 1048576 | floor) MiB"')
	result redis $status "$recorded of $native sets a second, $figures"
}

# ---- the others ------------------------------------------------------------------

threads_round() {
	local profile=$dir/threads.heapline
	"$heapline" run -q -f -o "$profile" -- "$targets/threads" many 5000 &&
		exact "$profile" '.leaked.blocks == 0'
}

forks_round() {
	HEAPLINE_STORM=1000 e2e test_family.py Family.test_a_storm_of_forks
}

hammer_round() {
	HEAPLINE_HAMMER_RUNS=$(scaled 200) e2e test_hammer.py Hammer.test_nothing_leaks
}

one_of_many() {
	"$heapline" run -q -f -o "$1" -- "$targets/hammer" 20000 "$2" &&
		exact "$1" '.leaked.blocks == 0'
}

parallel_round() {
	local pids=() pid i bad=0
	for ((i = 0; i < 8; i++)); do
		one_of_many "$dir/parallel-$i.heapline" "$i$1" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || bad=1
	done
	return $bad
}

# Two cores, both busy with something else.
loaded_round() {
	local test bad=0
	for test in test_ends.py test_family.py test_trees.py test_confined.py; do
		taskset -c 0,1 /usr/bin/python3 "tests/e2e/$test" >"$dir/log" 2>&1 && continue
		bad=1
		grep '^not ok\|Error' "$dir/log" | head -n 4 >&2
	done
	return $bad
}

soak_threads() { rounds threads "$(scaled 100)" threads_round; }
soak_forks() { rounds forks "$(scaled 20)" forks_round; }
soak_hammer() { rounds hammer 1 hammer_round; }
soak_parallel() { rounds parallel "$(scaled 20)" parallel_round; }
soak_loaded() {
	taskset -c 0 sh -c 'while :; do :; done' &
	helpers+=($!)
	taskset -c 1 sh -c 'while :; do :; done' &
	helpers+=($!)
	rounds loaded "$(scaled 10)" loaded_round
	end_helpers
}

# Each case and program a hundred times, busy helpers beside.
soak_leaks() {
	local last
	last=$(/usr/bin/python3 tests/bench/leaks_soak.py "$(scaled 100)" | tee /dev/stderr |
		tail -n 1)
	[[ $last == *" 0 differ" ]]
	result leaks $? "$last"
}

# What is too slow of CPython's own tests for the ordinary suite.
soak_cpython() {
	HEAPLINE_SUITE="threading subprocess asyncio" rounds cpython 1 \
		e2e test_python_suite.py Suite.test_what_passes_without_passes_under_it
}

configure build && build build || exit 1
[ $# != 0 ] || set -- redis threads forks hammer parallel loaded leaks cpython
for run in "$@"; do
	declare -F "soak_$run" >/dev/null ||
		die "no such run: $run" "redis threads forks hammer parallel loaded leaks cpython"
	"soak_$run"
done
printf '%d passed, %d failed\n' $passed $failed
[ $failed = 0 ]

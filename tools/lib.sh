# shellcheck shell=bash
# lib.sh - what demo.sh and test.sh share. Sourced, from the repository's root.

# Whoever calls may have next to no environment (dpkg wants the sbins), or one that
# would choose other compilers and flags than ours.
export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin LC_ALL=C.UTF-8
unset CC CXX CFLAGS CXXFLAGS CPPFLAGS LDFLAGS LD_PRELOAD

# What building and running heapline needs, what its demo and its tests need beside.
packages_build=(meson ninja-build gcc pkg-config libdw-dev libelf-dev zlib1g-dev
	libiberty-dev libunwind-dev libncurses-dev libmicrohttpd-dev)
packages_demo=(libxml2-utils python3)
packages_test=(libcmocka-dev g++ clang binutils elfutils git jq gawk sqlite3 perl openssl graphviz
	bash xz-utils util-linux mount man-db libssl-dev dwz llvm musl-tools
	gcc-aarch64-linux-gnu g++-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static
	zsh fish make strace nginx-light postgresql libdebuginfod1 rustc valgrind
	libglib2.0-dev libsqlite3-dev
	libpython3-dev python3-pyte cargo cmake python3-pytest python3-yaml chromium)
# Of the viewer's tests; with a nodejs from elsewhere npm comes along, and the package
# would not go beside it.
command -v node >/dev/null || packages_test+=(nodejs)
command -v npm >/dev/null || packages_test+=(npm)

say() {
	printf '== %s\n' "$*"
}

die() {
	printf 'error: %s\n' "$1" >&2
	printf 'help: %s\n' "$2" >&2
	exit 1
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo -n "$@"
	else
		die "packages are missing and this is not root" "install: ${missing[*]}"
	fi
}

is_installed() {
	local state name
	# (Since Debian 13 libraries with wide times are called so beside.)
	for name in "$1" "$1t64"; do
		state=$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null) || continue
		[ "$state" = installed ] && return
	done
	return 1
}

find_missing() {
	local package
	missing=()
	for package in "$@"; do
		is_installed "$package" || missing+=("$package")
	done
}

# Installs what is missing of the packages; quiet if nothing is.
install_packages() {
	command -v apt-get >/dev/null || return 0 # another system: the build will tell
	find_missing "$@"
	[ ${#missing[@]} != 0 ] || return 0
	say "installing ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	# The index may be there and fresh enough already.
	get_packages 2>/dev/null && return 0
	as_root apt-get update -qq ||
		die "apt-get update failed" "check the network and /etc/apt"
	get_packages || die "cannot install ${missing[*]}" "install them by hand, then go on"
}

get_packages() {
	local failed=0
	services off
	as_root apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null ||
		failed=1
	services on
	return $failed
}

# Servers are wanted for their programs: none is to be started by being installed.
services() {
	local policy=/usr/sbin/policy-rc.d
	if [ "$1" = off ] && [ ! -e $policy ]; then
		printf '#!/bin/sh\n# heapline tests\nexit 101\n' | as_root tee $policy >/dev/null
		as_root chmod 755 $policy
	elif [ "$1" = on ] && grep -qs '^# heapline tests' $policy; then
		as_root rm -f $policy
	fi
}

install_for_demo() {
	install_packages "${packages_build[@]}" "${packages_demo[@]}"
}

install_for_tests() {
	install_packages "${packages_build[@]}" "${packages_demo[@]}" "${packages_test[@]}"
	# CPython's own tests are in a package named after the version.
	install_packages "libpython$(/usr/bin/python3 -c \
		'import sys; print("%d.%d" % sys.version_info[:2])')-testsuite"
}

# configure DIR [OPTION]...: sets the build tree up, or changes its options.
configure() {
	local dir=$1
	shift
	if [ -f "$dir/build.ninja" ]; then
		# A tree from before an option was there does not know it yet.
		meson configure "$dir" "$@" >/dev/null 2>&1 ||
			meson setup --reconfigure "$dir" "$@" >/dev/null
	else
		meson setup "$dir" "$@" >/dev/null || {
			tail -n 20 "$dir/meson-logs/meson-log.txt" >&2
			return 1
		}
	fi
}

# build DIR [TARGET]...: compiles; says nothing but what is wrong.
build() {
	local log=$1/build.log
	ninja -C "$@" >"$log" 2>&1 || {
		grep -v '^\[' "$log" | tail -n 60 >&2
		return 1
	}
}

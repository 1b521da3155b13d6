#!/bin/bash
# install-deps.sh - installs the Debian packages that heapline and its tests need.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=tools/lib.sh
. tools/lib.sh

install_for_tests

#!/usr/bin/env bash
# Installs Debian's Chromium where this user may; else says how, and the tests of the pages are skipped.
set -uo pipefail
as_root=""
[ "$(id -u)" = 0 ] || as_root="sudo -n"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if command -v apt-get >/dev/null && { [ -z "$as_root" ] || sudo -n true 2>/dev/null; }; then
    echo "installing chromium, for the tests of the pages"
    export DEBIAN_FRONTEND=noninteractive
    if { $as_root apt-get update && $as_root apt-get install --yes --no-install-recommends chromium; } >"$log" 2>&1; then
        exit 0
    fi
    tail -n 3 "$log"
fi
echo "the tests of the pages are skipped: install Chromium to run them, on Debian by: apt-get install chromium"

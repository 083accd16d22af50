#!/usr/bin/env bash
# The tests whose length can be chosen, long: reconnects and renewals, methods
# under short tokens, kills in the middle of writing. Takes about ten minutes.
set -euo pipefail
cd "$(dirname "$0")/../.."

export LATCHD_TEST_RECONNECTS=${LATCHD_TEST_RECONNECTS:-6000}
export LATCHD_TEST_RENEWAL=${LATCHD_TEST_RENEWAL:-3m}
export LATCHD_TEST_KILLS=${LATCHD_TEST_KILLS:-200}
go test -count=1 -v -timeout 30m -run 'TestReconnects|TestRenewalsUnderLoad|TestTrouble|TestResetWithinPacket' ./transport/mqtt
go test -count=1 -v -timeout 10m -run 'Survives?SIGKILL' ./agent

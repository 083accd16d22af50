#!/usr/bin/env bash
# Runs the long form of some tests, in about two hours: thousands of reconnects, methods
# during token renewals, kills of the agent and of the hub while they write, all states of
# the lock's machine in more configurations, known faults in that machine, 2,000 seeds of the
# simulation of the whole system, 3,000 strangers at a hub with 10,000 devices, and ten
# minutes of fuzzing for each of the hub's two interfaces. As root, it also restarts and kills
# the agent and cuts the power of the virtual machine more often.
set -euo pipefail
cd "$(dirname "$0")/../.."

export LATCHD_TEST_RECONNECTS=${LATCHD_TEST_RECONNECTS:-6000}
export LATCHD_TEST_RENEWAL=${LATCHD_TEST_RENEWAL:-3m}
export LATCHD_TEST_KILLS=${LATCHD_TEST_KILLS:-200}
go test -count=1 -v -timeout 30m -run 'TestReconnects|TestRenewalsUnderLoad|TestTrouble|TestResetWithinPacket' ./transport/mqtt
go test -count=1 -v -timeout 10m -run 'Survives?SIGKILL' ./agent ./agent/events

export LATCHD_TEST_EXPLORE=${LATCHD_TEST_EXPLORE:-3}
go test -count=1 -v -timeout 3h -run '^TestExplore$' ./actuator
LATCHD_TEST_MUTANTS=1 go test -count=1 -v -timeout 1h -run '^TestMutants$' ./actuator

export LATCHD_TEST_HUB_KILLS=${LATCHD_TEST_HUB_KILLS:-50}
go test -count=1 -v -timeout 20m -run 'TestHubKilledAgainAndAgain' ./packaging/test/system

export LATCHD_TEST_STRANGERS=${LATCHD_TEST_STRANGERS:-3000}
export LATCHD_TEST_DEVICES=${LATCHD_TEST_DEVICES:-10000}
export LATCHD_TEST_FLOOD_SECONDS=${LATCHD_TEST_FLOOD_SECONDS:-5}
go test -count=1 -v -timeout 20m ./packaging/test/hostile

export LATCHD_SIM_SEEDS=${LATCHD_SIM_SEEDS:-2000}
go test -count=1 -timeout 5h -run '^TestSimulation$' ./packaging/test/simulation

fuzztime=${FUZZTIME:-10m}
go test -run '^$' -fuzz '^FuzzPackets$' -fuzztime "$fuzztime" -timeout 30m ./transport/hub/internal/broker
go test -run '^$' -fuzz '^FuzzRequests$' -fuzztime "$fuzztime" -timeout 30m ./transport/hub/internal/api

if [ "$(id -u)" = 0 ]; then
	TRIALS=${TRIALS:-10} CUTS=${CUTS:-20} RUN='TestGateway/^(hold|cuts)$' packaging/e2e/e2e.sh
fi

#!/usr/bin/env bash
# The demo shows a technician's session with a hub, three doors with mock locks, the two
# jobs of the IoT Hub tutorial, and what people do at the doors. Everything runs on this machine, on free ports,
# in a temporary directory. The demo removes all of it at the end, even when it is
# interrupted. LATCHD_BIN names the directory of the programs; the default is bin/.
set -euo pipefail
cd "$(dirname "$0")/../.."

bin=$(cd "${LATCHD_BIN:-bin}" && pwd) || { echo "demo: build the programs first: make build" >&2; exit 1; }
export PATH="$bin:$PATH"

# ---- cleaning up ------------------------------------------------

cleanup() {
	trap '' INT TERM HUP
	local pids
	mapfile -t pids < <(jobs -p)
	if [ ${#pids[@]} -gt 0 ]; then
		kill -TERM "${pids[@]}" 2>/dev/null || true
		for _ in {1..50}; do
			kill -0 "${pids[@]}" 2>/dev/null || break
			sleep 0.1
		done
		kill -KILL "${pids[@]}" 2>/dev/null || true
		wait 2>/dev/null || true
	fi
	cd /
	rm -rf "$dir"
}

# Ignore signals until the trap that removes the directory is set.
trap '' INT TERM HUP
dir=$(mktemp -d "${TMPDIR:-/tmp}/latchd-demo.XXXXXX")
trap cleanup EXIT
trap 'exit 129' HUP
trap 'printf "\ndemo: interrupted, cleaning up\n" >&2; exit 130' INT
trap 'exit 143' TERM
cd "$dir"

# Use the demo's hub only, even if the technician has configured another.
unset LATCHCTL_HUB LATCHCTL_HUB_FILE LATCHCTL_HUB_NAME LATCHCTL_ENDPOINT LATCHCTL_CA_FILE
export XDG_CONFIG_HOME="$dir"

# ---- showing and running commands ---------------------------------------------------

bold='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' plain=$'\e[0m'; fi
say() { printf '\n%s# %s%s\n' "$bold" "$*" "$plain"; }

# spawn COMMAND: starts a command in the background, so that an interrupt acts while
# the script waits for it. exec makes the job the program itself, not a subshell.
spawn() { eval "exec $1" & }

# run COMMAND [CODE]: prints a command as a prompt would show it, runs it, and ends the
# demo if its exit code is not CODE (default 0).
run() {
	printf '%s$ %s%s\n' "$bold" "$1" "$plain"
	code=0
	spawn "$1"
	wait $! || code=$?
	if [ "$code" != "${2:-0}" ]; then
		printf 'demo: the command ended with %d instead of %d; log of the hub:\n' "$code" "${2:-0}" >&2
		cat hub.log >&2
		exit 1
	fi
}

# reported COUNT CONDITION: waits until COUNT devices satisfy a query condition. A
# device reports its new state shortly after it has answered a method.
reported() {
	for _ in {1..100}; do
		[ "$(latchctl -o jsonl query "SELECT deviceId FROM devices WHERE $2" | wc -l)" = "$1" ] && return
		sleep 0.1
	done
	echo "demo: timed out waiting until $1 devices report $2" >&2
	exit 1
}

# ---- the session -----------------------------------------------------------

say 'Start a hub on free ports. At its first start it makes its keys and certificates.'
echo "${bold}\$ latchhub serve --data hub --mqtt 127.0.0.1:0 --https 127.0.0.1:0 2> hub.log &${plain}"
coproc HUB { exec latchhub serve --data hub --mqtt 127.0.0.1:0 --https 127.0.0.1:0 2>hub.log; }
if ! read -r ready <&"${HUB[0]}" || ! [[ $ready =~ ^latchhub\ ready\ mqtt=([^ ]+)\ https=([^ ]+)\  ]]; then
	echo 'demo: the hub did not start; its log:' >&2
	cat hub.log >&2
	exit 1
fi
mqtt=${BASH_REMATCH[1]} https=${BASH_REMATCH[2]}
echo "$ready"
run "latchctl hub add demo --endpoint https://$https --ca-file hub/ca.pem <hub/service.connection-string"

say 'Create three doors. Each gets an identity and a tag for its owner.'
umask 077
echo "${bold}\$ umask 077${plain}"
quiet=''
# min_interval is 0s because by default a door refuses to move again within a second,
# and this session may be faster. A long exit_time at the front door gives the person who
# leaves enough time on a slow machine. A short one at the other doors lets the alarm
# respond soon after a lock.
for door in front side cellar; do
	run "latchctl device create $door$quiet"
	run "latchctl twin update $door --tags '{\"owner\":\"library\"}'$quiet"
	run "latchctl device connection-string $door >$door.secret"
	quiet=' >/dev/null 2>&1'
	exit_time=1s
	if [ "$door" = front ]; then exit_time=30s; fi
	cat >"$door.toml" <<-END
		state_dir = "$door.state"

		[hub]
		connection_string_file = "$door.secret"
		endpoint = "$mqtt"
		ca_file = "hub/ca.pem"

		[lock]
		driver = "mock"
		at_power_on = "unlocked"
		confirm_timeout = "3s"
		min_interval = "0s"
		relock = "close"
		settle = "0s"
		exit_time = "$exit_time"

		[lock.door_sensor]

		[lock.exit]

		[lock.mock]
		travel = "700ms"
		fault = "none"
	END
done

say 'Start an agent with a mock lock for each door.'
run 'cat front.toml'
start_agent() {
	echo "${bold}\$ latchd run --config $1.toml 2> $1.log &${plain}"
	spawn "latchd run --config $1.toml 2>>$1.log"
	agent=$!
}
for door in front side cellar; do start_agent "$door"; done
cellar=$agent
for door in front side cellar; do run "latchctl method invoke $door ping --connect-timeout 30s"; done
doors='latchctl query "SELECT deviceId, properties.desired.building, properties.desired.floor, properties.reported.lock.position FROM devices"'

say 'The twins before the jobs: all doors are unlocked, and no building or floor is set.'
reported 3 "properties.reported.lock.position = 'unlocked'"
run "$doors"
run 'latchctl twin show front'

say 'Job 1: lock three doors by their device IDs.'
run "latchctl job schedule method lockDoor --where \"deviceId IN ['front', 'side', 'cellar']\" --watch"

say 'Job 2: set building and floor of all doors of one owner, whom the tag names.'
run "latchctl job schedule twin --where \"tags.owner = 'library'\" --desired '{\"building\":\"43\",\"floor\":3}' --watch"
run 'latchctl job list'

say 'The twins after the jobs: all doors are locked, and each agent has acknowledged building and floor.'
reported 3 "properties.reported.lock.position = 'locked' AND properties.reported.building.ac = 200 AND properties.reported.floor.ac = 200"
run "$doors"
run 'latchctl twin show front'

at_door() {
	echo "latchctl query \"SELECT deviceId, properties.reported.lock.position, properties.reported.door.open, properties.reported.door.$2 FROM devices WHERE deviceId = '$1'\""
}

say 'Somebody leaves by the front door: the exit button unlocks it, and it locks behind them.'
run 'latchd mock --config front.toml exit'
reported 1 "deviceId = 'front' AND properties.reported.lock.position = 'unlocked'"
run 'latchd mock --config front.toml open'
reported 1 "deviceId = 'front' AND properties.reported.door.open = true"
run "$(at_door front forced)"
run 'latchd mock --config front.toml close'
reported 1 "deviceId = 'front' AND properties.reported.lock.position = 'locked' AND properties.reported.door.open = false"
run "$(at_door front forced)"

say 'Somebody forces the side door. The alarm lasts until the door is closed and locked; the time of the alarm remains.'
run 'latchd mock --config side.toml pry'
reported 1 "deviceId = 'side' AND properties.reported.door.forced = true"
run "$(at_door side forced)"
run 'latchd mock --config side.toml close'
reported 1 "deviceId = 'side' AND properties.reported.door.forced = false"
run "$(at_door side lastForcedAt)"

say 'Somebody leaves the cellar door open for longer than allowed. It locks when it is closed.'
run "latchctl twin update cellar --desired '{\"heldOpenSeconds\":1}' >/dev/null"
reported 1 "deviceId = 'cellar' AND properties.reported.heldOpenSeconds.ac = 200"
run 'latchctl unlock cellar --for 60s'
run 'latchd mock --config cellar.toml open'
reported 1 "deviceId = 'cellar' AND properties.reported.door.heldOpen = true"
run "$(at_door cellar heldOpen)"
run 'latchd mock --config cellar.toml close'
reported 1 "deviceId = 'cellar' AND properties.reported.lock.position = 'locked' AND properties.reported.door.heldOpen = false"
run "$(at_door cellar heldOpen)"

say 'Simulate a jam: the bolt of the cellar door will not lock.'
run 'latchctl unlock front side cellar --yes'
run "sed -i 's/fault = \"none\"/fault = \"jam\"/' cellar.toml"
echo "${bold}\$ kill $cellar${plain}"
kill "$cellar"
wait "$cellar" || true
start_agent cellar
run 'latchctl method invoke cellar ping --connect-timeout 30s'

say 'One of three doors does not lock. The hub counts its answer as a success; latchctl counts it as a failure.'
run "latchctl lock --where \"properties.desired.building = '43'\"" 3
echo "${bold}\$ echo \$?${plain}"
echo "$code"
reported 1 "properties.reported.lock.position = 'jammed'"
run "$doors"

say 'The demo ends: it stops the hub and the agents and removes the temporary directory.'

#!/usr/bin/env bash
# A technician's session on parts that are all real but the locks: a hub, three
# doors, and the two jobs of the well-known tutorial. Everything runs on this
# machine, on free ports, in a temporary folder; nothing is left behind, also
# when it is interrupted. The programs are those of LATCHD_BIN, by default bin/.
set -euo pipefail
cd "$(dirname "$0")/../.."

bin=$(cd "${LATCHD_BIN:-bin}" && pwd) || { echo "demo: build the programs first: make build" >&2; exit 1; }
export PATH="$bin:$PATH"

# ---- leaving nothing behind ------------------------------------------------

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

# No signal comes between making the folder and promising to remove it.
trap '' INT TERM HUP
dir=$(mktemp -d "${TMPDIR:-/tmp}/latchd-demo.XXXXXX")
trap cleanup EXIT
trap 'exit 129' HUP
trap 'printf "\ndemo: interrupted, cleaning up\n" >&2; exit 130' INT
trap 'exit 143' TERM
cd "$dir"

# Only the demo's hub, whatever the technician has configured.
unset LATCHCTL_HUB
export XDG_CONFIG_HOME="$dir"

# ---- showing and running ---------------------------------------------------

bold='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' plain=$'\e[0m'; fi
say() { printf '\n%s# %s%s\n' "$bold" "$*" "$plain"; }

# In the background, and waited for, so that an interrupt acts at once; by exec,
# so that the job is the program itself.
spawn() { eval "exec $1" & }

# run COMMAND [CODE]: shows a command as it is typed, runs it, and wants the code.
run() {
	printf '%s$ %s%s\n' "$bold" "$1" "$plain"
	code=0
	spawn "$1"
	wait $! || code=$?
	if [ "$code" != "${2:-0}" ]; then
		printf 'demo: this ended with %d, and should have ended with %d; the log of the hub:\n' "$code" "${2:-0}" >&2
		cat hub.log >&2
		exit 1
	fi
}

# reported COUNT CONDITION: waits until COUNT devices have reported it. A report
# follows a method's answer by a moment.
reported() {
	for _ in {1..100}; do
		[ "$(latchctl -o jsonl query "SELECT deviceId FROM devices WHERE $2" | wc -l)" = "$1" ] && return
		sleep 0.1
	done
	echo "demo: $1 devices should have reported $2" >&2
	exit 1
}

# ---- the session -----------------------------------------------------------

say 'A hub of our own, on free ports. Its first start makes its keys and certificates.'
echo "${bold}\$ latchhub serve --data hub --mqtt 127.0.0.1:0 --https 127.0.0.1:0 2> hub.log &${plain}"
coproc HUB { exec latchhub serve --data hub --mqtt 127.0.0.1:0 --https 127.0.0.1:0 2>hub.log; }
if ! read -r ready <&"${HUB[0]}" || ! [[ $ready =~ ^latchhub\ ready\ mqtt=([^ ]+)\ https=([^ ]+)\  ]]; then
	echo 'demo: the hub did not start:' >&2
	cat hub.log >&2
	exit 1
fi
mqtt=${BASH_REMATCH[1]} https=${BASH_REMATCH[2]}
echo "$ready"
for v in LATCHCTL_HUB_FILE=hub/service.connection-string LATCHCTL_CA_FILE=hub/ca.pem "LATCHCTL_ENDPOINT=https://$https"; do
	export "${v?}"
	echo "${bold}\$ export $v${plain}"
done

say 'Three doors. Each gets an identity, and a tag that says where it is.'
umask 077
echo "${bold}\$ umask 077${plain}"
quiet=''
# Doors that need no rest between motions: by default one that is told to move
# within a second of its last motion refuses, and this session may be quicker.
for door in front side cellar; do
	run "latchctl device create $door$quiet"
	run "latchctl twin update $door --tags '{\"site\":\"north\"}'$quiet"
	run "latchctl device connection-string $door >$door.secret"
	quiet=' >/dev/null 2>&1'
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

		[lock.mock]
		travel = "700ms"
		fault = "none"
	END
done

say 'Each gets its agent, with a mock lock.'
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

say 'The twins before: unlocked, and nobody has said where they are.'
reported 3 "properties.reported.lock.position = 'unlocked'"
run "$doors"
run 'latchctl twin show front'

say 'Job 1: lock the doors of a list.'
run "latchctl job schedule method lockDoor --where \"deviceId IN ['front', 'side', 'cellar']\" --watch"

say 'Job 2: say where they are, for all doors with a tag.'
run "latchctl job schedule twin --where \"tags.site = 'north'\" --desired '{\"building\":\"43\",\"floor\":3}' --watch"
run 'latchctl job list'

say 'The twins after: locked, and each agent has acknowledged its place.'
reported 3 "properties.reported.lock.position = 'locked' AND properties.reported.building.ac = 200 AND properties.reported.floor.ac = 200"
run "$doors"
run 'latchctl twin show front'

say 'Now the bolt of the cellar door jams, half way through the day.'
run 'latchctl unlock front side cellar --yes'
run "sed -i 's/fault = \"none\"/fault = \"jam\"/' cellar.toml"
echo "${bold}\$ kill $cellar${plain}"
kill "$cellar"
wait "$cellar" || true
start_agent cellar
run 'latchctl method invoke cellar ping --connect-timeout 30s'

say 'One door of three does not lock. To the hub it has answered; to latchctl it has failed.'
run "latchctl lock --where \"tags.site = 'north'\"" 3
echo "${bold}\$ echo \$?${plain}"
echo "$code"
reported 1 "properties.reported.lock.position = 'jammed'"
run "$doors"

say 'That is all. Hub and agents are stopped, and the temporary folder is removed.'

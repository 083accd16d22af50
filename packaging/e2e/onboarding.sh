#!/bin/sh
# From a bare Debian to a locked door with its own hub, in three commands. Run it as root
# after: apt install latchd latchctl latchhub
# The lock is a simulated one. The script prints the time of each step.
set -eu
export HOME="${HOME:-/root}"

milliseconds() { date +%s%3N; }
begin=$(milliseconds)
since() { echo "$(($(milliseconds) - begin)) ms: $1"; }

# 1. Start the hub. It makes its certificates and keys.
systemctl enable --now latchhub
since 'the hub is running'

# 2. Enroll the door. Its agent starts with a locked door.
latchhub invite door front | latchd enroll --mock
since 'the door is locked'

# 3. Give yourself access.
latchhub invite person "$(id -un)" | latchctl hub add
since 'latchctl has access'

# The hub shows the door, and the door obeys.
latchctl doors
latchctl lock front
since 'the door has answered'

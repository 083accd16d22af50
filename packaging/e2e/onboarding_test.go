//go:build e2e

package e2e

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// TestOnboarding installs the packages on a bare Debian, and takes it to a locked door in
// three commands, with the script onboarding.sh. It then adds a second door, and shows that
// used codes and revoked persons are refused.
func TestOnboarding(t *testing.T) {
	g := &gateway{vm: newVM(t)}
	for _, name := range []string{"latchd", "latchctl", "latchhub"} {
		g.put(g.deb("debs", name), "/root/"+name+".deb", "644")
	}
	g.put("onboarding.sh", "/root/onboarding.sh", "755")
	g.run(`apt-get install -y -qq /root/latchd.deb /root/latchctl.deb /root/latchhub.deb`)

	out := g.run(`/root/onboarding.sh 2>&1`)
	took := regexp.MustCompile(`(?m)^\d+ ms: the door has answered$`).FindString(out)
	record(t, took != "" && contains(out, "The agent is running and connected; the door is locked.", "front locked"), "onboarding: three commands to a locked door", 1, took, "the door has answered")
	t.Log(out)

	modes := g.run(`stat -c '%n %U %a' /etc/latchd/credentials /etc/latchd/credentials/connection-string /etc/latchd/ca.pem /etc/latchd/latchd.toml /root/.config/latchctl/localhost.connection-string
		systemctl is-enabled latchd; grep -c SharedAccessKey /etc/latchd/latchd.toml || true`)
	ok := contains(modes, "/etc/latchd/credentials root 700", "credentials/connection-string root 600", "ca.pem root 644", "latchd.toml root 644", "localhost.connection-string root 600", "enabled")
	record(t, ok, "onboarding: modes of the files", 1, strings.ReplaceAll(modes, "\n", ", "), "only root reads the logins")

	// Two codes are kept as a thief would. The second door has its own instance.
	out = g.run(`exec 2>&1
		export HOME=/root; umask 077
		latchhub invite door side >/run/code; latchhub invite person anna >/run/person
		latchd enroll --door side --mock </run/code; systemctl is-active latchd@side; latchctl lock side
		HOME=/run/anna latchctl hub add </run/person; HOME=/run/anna latchctl lock front side
		if latchd enroll --door thief --mock </run/code; then echo LEAK; fi
		if HOME=/run/thief latchctl hub add </run/person; then echo LEAK; fi
		if ls /etc/latchd/thief.toml /run/thief; then echo LEAK; fi
		latchhub policy revoke anna
		if HOME=/run/anna latchctl unlock front --yes; then echo LEAK; fi`)
	t.Log(out)
	ok = contains(out, "the door is locked", "active", "does not accept the code", "somebody else has your access", "Unauthorized") && !strings.Contains(out, "LEAK")
	record(t, ok, "onboarding: second door, stolen codes, revoked person", 1, fmt.Sprintf("refused: %v", ok), "refused: true")
}

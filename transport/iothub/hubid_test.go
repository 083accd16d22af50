package iothub

import (
	"strings"
	"testing"
)

func TestHubID(t *testing.T) {
	t.Parallel()
	const north, south = HubID("5f0c1a52-6a3e-4b53-8f8e-0e6d6f1d2a11"), HubID("77aa0c33-0d10-4e0f-9a45-3a1f8e2b9c20")
	again := north.Restored("1a2b").Restored("3c4d")
	if again != north+"+3c4d" {
		t.Errorf("the id after two restores is %s", again)
	}

	for _, tt := range []struct {
		a, b HubID
		same bool
	}{
		{north, north, true}, {north, south, false}, {north, again, true}, {again, north.Restored("5e6f"), true},
		{again, south.Restored("3c4d"), false}, {"Hub.azure-devices.net", "hub.azure-devices.net", true}, {north, "", false},
	} {
		if tt.a.SameHub(tt.b) != tt.same || tt.b.SameHub(tt.a) != tt.same {
			t.Errorf("%s and %s: the same hub must be %t", tt.a, tt.b, tt.same)
		}
	}

	for host, want := range map[string]HubID{"Hub.azure-devices.net": "hub.azure-devices.net", "hub.azure-devices.cn": "hub.azure-devices.cn",
		"localhost": "", "hub.example.com": ""} {
		if got := AzureHubID(host); got != want {
			t.Errorf("%s has the id %q, want %q", host, got, want)
		}
	}
}

func TestCheckHubID(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		"5f0c1a52-6a3e-4b53-8f8e-0e6d6f1d2a11+1a2b3c4d": true, "hub.azure-devices.net": true, "": false, "a b": false, "a\nb": false,
		strings.Repeat("a", 128): true, strings.Repeat("a", 129): false,
	} {
		if err := CheckHubID(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

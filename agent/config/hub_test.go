package config

import (
	"strings"
	"testing"
)

func TestCredentials(t *testing.T) {
	rest := "[lock]\ndriver = \"mock\"\nat_power_on = \"locked\"\n"
	const dps = "[provisioning]\nid_scope = \"0ne1\"\nregistration_id = \"door\"\n"
	for name, tc := range map[string]struct{ text, want string }{
		"a connection string":                  {"[hub]\nconnection_string_file = \"s\"\n", ""},
		"a certificate":                        {"[hub]\nconnection_string_file = \"s\"\ncertificate_file = \"c\"\ncertificate_key_file = \"k\"\n", ""},
		"a certificate without key":            {"[hub]\nconnection_string_file = \"s\"\ncertificate_file = \"c\"\n", "hub.certificate_key_file: missing"},
		"a key without certificate":            {"[hub]\nconnection_string_file = \"s\"\ncertificate_key_file = \"k\"\n", "hub.certificate_key_file: allowed only with certificate_file"},
		"provisioning by key":                  {dps + "key_file = \"k\"\n", ""},
		"provisioning by group key":            {dps + "group_key_file = \"k\"\n", ""},
		"provisioning by certificate":          {dps + "[hub]\ncertificate_file = \"c\"\ncertificate_key_file = \"k\"\n", ""},
		"provisioning without credential":      {dps, "provisioning.key_file: the device has 0 credentials; want exactly one of provisioning.key_file, provisioning.group_key_file and hub.certificate_file"},
		"provisioning with two keys":           {dps + "key_file = \"k\"\ngroup_key_file = \"k\"\n", "provisioning.key_file: the device has 2 credentials"},
		"provisioning without registration ID": {"[provisioning]\nid_scope = \"0ne1\"\nkey_file = \"k\"\n", "provisioning.registration_id: missing"},
		"provisioning without ID scope":        {"[provisioning]\nregistration_id = \"d\"\nkey_file = \"k\"\n", "provisioning.id_scope: missing"},
		"connection string and provisioning":   {"[hub]\nconnection_string_file = \"s\"\n" + dps + "key_file = \"k\"\n", "hub.connection_string_file: allowed only without [provisioning]; remove it"},
		"a SOCKS proxy":                        {"[hub]\nconnection_string_file = \"s\"\nproxy = \"socks5://p:1080\"\n", ""},
		"an HTTP proxy":                        {"[hub]\nconnection_string_file = \"s\"\nproxy = \"http://p:8080\"\nwebsocket = true\n", ""},
		"an HTTP proxy without WebSocket":      {"[hub]\nconnection_string_file = \"s\"\nproxy = \"http://p:8080\"\n", "hub.proxy: allowed only with websocket = true, because it is an HTTP proxy"},
		"a proxy with a password":              {"[hub]\nconnection_string_file = \"s\"\nproxy = \"socks5://u:secret@p\"\n", "hub.proxy: want socks5://HOST:PORT or http://HOST:PORT; put an address with a password into a file and name it in proxy_file"},
		"a proxy of an unknown kind":           {"[hub]\nconnection_string_file = \"s\"\nproxy = \"ftp://p\"\n", "hub.proxy: \"ftp\" is not allowed; want \"socks5\""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(write(t, tc.text+rest))
			if tc.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
		})
	}
}

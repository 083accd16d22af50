package config

import (
	"strings"
	"testing"
)

func TestWaysToLogIn(t *testing.T) {
	rest := "[lock]\ndriver = \"mock\"\nat_power_on = \"locked\"\n"
	const dps = "[provisioning]\nid_scope = \"0ne1\"\nregistration_id = \"door\"\n"
	for name, tc := range map[string]struct{ text, want string }{
		"a connection string":        {"[hub]\nconnection_string_file = \"s\"\n", ""},
		"a certificate":              {"[hub]\nconnection_string_file = \"s\"\ncertificate_file = \"c\"\ncertificate_key_file = \"k\"\n", ""},
		"a certificate without key":  {"[hub]\nconnection_string_file = \"s\"\ncertificate_file = \"c\"\n", "hub.certificate_key_file: it is missing"},
		"a key without certificate":  {"[hub]\nconnection_string_file = \"s\"\ncertificate_key_file = \"k\"\n", "hub.certificate_key_file: it is only for a device with a certificate_file"},
		"provisioning by key":        {dps + "key_file = \"k\"\n", ""},
		"by the group's key":         {dps + "group_key_file = \"k\"\n", ""},
		"by certificate":             {dps + "[hub]\ncertificate_file = \"c\"\ncertificate_key_file = \"k\"\n", ""},
		"by nothing":                 {dps, "provisioning.key_file: the device proves who it is in 0 ways; want one of key_file, group_key_file and the hub's certificate_file"},
		"by two":                     {dps + "key_file = \"k\"\ngroup_key_file = \"k\"\n", "provisioning.key_file: the device proves who it is in 2 ways"},
		"provisioning for nobody":    {"[provisioning]\nid_scope = \"0ne1\"\nkey_file = \"k\"\n", "provisioning.registration_id: it is missing"},
		"by nobody":                  {"[provisioning]\nregistration_id = \"d\"\nkey_file = \"k\"\n", "provisioning.id_scope: it is missing"},
		"both":                       {"[hub]\nconnection_string_file = \"s\"\n" + dps + "key_file = \"k\"\n", "hub.connection_string_file: it is only for a device without [provisioning]; remove it"},
		"a SOCKS proxy":              {"[hub]\nconnection_string_file = \"s\"\nproxy = \"socks5://p:1080\"\n", ""},
		"an HTTP proxy":              {"[hub]\nconnection_string_file = \"s\"\nproxy = \"http://p:8080\"\nwebsocket = true\n", ""},
		"an HTTP proxy without":      {"[hub]\nconnection_string_file = \"s\"\nproxy = \"http://p:8080\"\n", "hub.proxy: it is only for websocket = true, if it is an HTTP proxy"},
		"a proxy with a password":    {"[hub]\nconnection_string_file = \"s\"\nproxy = \"socks5://u:secret@p\"\n", "hub.proxy: want socks5://HOST:PORT or http://HOST:PORT; one with a password belongs into a file, which proxy_file names"},
		"a proxy of an unknown kind": {"[hub]\nconnection_string_file = \"s\"\nproxy = \"ftp://p\"\n", "hub.proxy: \"ftp\" is not possible; want \"socks5\""},
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

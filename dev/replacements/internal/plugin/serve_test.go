package plugin

import "testing"

func TestParseArgs(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want EngineArgs
	}{
		"address alone":       {[]string{"127.0.0.1:1"}, EngineArgs{Address: "127.0.0.1:1"}},
		"by hand":             {nil, EngineArgs{}},
		"logging flags":       {[]string{"-v=9", "--logtostderr", "127.0.0.1:1"}, EngineArgs{Address: "127.0.0.1:1"}},
		"tracing":             {[]string{"--tracing", "file:t", "127.0.0.1:1"}, EngineArgs{Address: "127.0.0.1:1", Tracing: "file:t"}},
		"flags not known":     {[]string{"--new=flag", "-x", "127.0.0.1:1"}, EngineArgs{Address: "127.0.0.1:1"}},
		"question of version": {[]string{"--version"}, EngineArgs{Version: true}},
	} {
		if got := ParseArgs(test.args); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

func TestURNParts(t *testing.T) {
	urn := "urn:pulumi:dev::project::my:index:Component$tls:index/privateKey:PrivateKey::na::me"
	if got := TypeOf(urn); got != "tls:index/privateKey:PrivateKey" {
		t.Errorf("type %q", got)
	}
	if got := NameOf(urn); got != "na::me" {
		t.Errorf("name %q", got)
	}
}

package main

import (
	"slices"
	"testing"
)

func TestSplitWords(t *testing.T) {
	for text, want := range map[string][]string{
		"":                         nil,
		"  --a   -b ":              {"--a", "-b"},
		`--title='two words' x`:    {"--title=two words", "x"},
		`"a \"b\"" c\ d`:           {`a "b"`, "c d"},
		`'' 'back\slash'`:          {"", `back\slash`},
		"--import=./hook.mjs\t--x": {"--import=./hook.mjs", "--x"},
	} {
		got, err := splitWords(text)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q (%v), want %q", text, got, err, want)
		}
	}
	for _, text := range []string{`'open`, `"open`, `end\`} {
		if _, err := splitWords(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestConfigVariable(t *testing.T) {
	got, err := configVariable(map[string]string{"app:a": "1", "app:config:b": "2"})
	if want := `{"app:config:a":"1","app:config:b":"2"}`; err != nil || got != want {
		t.Errorf("%s (%v), want %s", got, err, want)
	}
	if _, err := configVariable(map[string]string{"bare": "1"}); err == nil {
		t.Error("a key without a namespace was taken")
	}
}

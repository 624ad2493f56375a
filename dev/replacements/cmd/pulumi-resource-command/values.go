package main

import (
	"fmt"
	"sort"

	"appkata-mqtt/toolchain/internal/plugin"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/archive"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/asset"
)

// inputs of a command, without secret marks. A nil pointer is an input that was not given.
type inputs struct {
	create, update, delete *string
	dir, stdin, logging    *string
	interpreter            []string
	environment            map[string]string
	assetPaths             []string
	archivePaths           []string
	hideOutput             bool // addPreviousOutputInEnv: false
	hasAssets, hasArchives bool
}

// outputs of the last command that ran.
type outputs struct {
	stdout, stderr string
	assets         map[string]*asset.Asset
	archive        *archive.Archive
}

type kind string

const (
	aString  kind = "string"
	aBool    kind = "bool"
	strings_ kind = "[]string"
	aMap     kind = "map[string]string"
	anyList  kind = "[]any"
)

// inputKinds are the inputs that the schema has, with what each must be.
var inputKinds = map[string]kind{
	"create": aString, "update": aString, "delete": aString,
	"dir": aString, "stdin": aString, "logging": aString,
	"interpreter": strings_, "assetPaths": strings_, "archivePaths": strings_,
	"environment": aMap, "addPreviousOutputInEnv": aBool, "triggers": anyList,
}

type failure struct{ property, reason string }

// checkInputs finds inputs of the wrong type. What is unknown yet is right for now.
func checkInputs(m resource.PropertyMap) []failure {
	var out []failure
	names := make([]string, 0, len(inputKinds))
	for name := range inputKinds {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		v, has := m[resource.PropertyKey(name)]
		if !has {
			continue
		}
		if !fits(plugin.Plain(v), inputKinds[name]) {
			out = append(out, failure{name, fmt.Sprintf(
				"Field '%s' on 'local.CommandInputs' must be a '%s'; got '%s' instead",
				name, inputKinds[name], plugin.Plain(v).TypeString())})
		}
	}
	return out
}

func fits(v resource.PropertyValue, k kind) bool {
	if v.IsComputed() || v.IsNull() {
		return true
	}
	switch k {
	case aString:
		return v.IsString()
	case aBool:
		return v.IsBool()
	case anyList:
		return v.IsArray()
	case strings_:
		if !v.IsArray() {
			return false
		}
		for _, item := range v.ArrayValue() {
			if !fits(item, aString) {
				return false
			}
		}
		return true
	case aMap:
		if !v.IsObject() {
			return false
		}
		for _, item := range v.ObjectValue() {
			if !fits(item, aString) {
				return false
			}
		}
		return true
	}
	return false
}

func readInputs(m resource.PropertyMap) (inputs, error) {
	if failures := checkInputs(m); len(failures) > 0 {
		return inputs{}, fmt.Errorf("invalid inputs: %s", failures[0].reason)
	}
	m = plugin.PlainMap(m)
	str := func(name resource.PropertyKey) *string {
		if v := m[name]; v.IsString() {
			s := v.StringValue()
			return &s
		}
		return nil
	}
	list := func(name resource.PropertyKey) ([]string, bool) {
		if !m[name].IsArray() {
			return nil, false
		}
		out := []string{}
		for _, item := range m[name].ArrayValue() {
			out = append(out, item.StringValue())
		}
		return out, true
	}
	in := inputs{
		create: str("create"), update: str("update"), delete: str("delete"),
		dir: str("dir"), stdin: str("stdin"), logging: str("logging"),
	}
	in.interpreter, _ = list("interpreter")
	in.assetPaths, in.hasAssets = list("assetPaths")
	in.archivePaths, in.hasArchives = list("archivePaths")
	if v := m["environment"]; v.IsObject() {
		in.environment = map[string]string{}
		for name, value := range v.ObjectValue() {
			in.environment[string(name)] = value.StringValue()
		}
	}
	if v := m["addPreviousOutputInEnv"]; v.IsBool() {
		in.hideOutput = !v.BoolValue()
	}
	return in, nil
}

func readOutputs(state resource.PropertyMap) outputs {
	state = plugin.PlainMap(state)
	var out outputs
	if v := state["stdout"]; v.IsString() {
		out.stdout = v.StringValue()
	}
	if v := state["stderr"]; v.IsString() {
		out.stderr = v.StringValue()
	}
	return out
}

// stateOf gives the properties of the resource: its inputs as they came, secret marks included,
// and its outputs. As with the official plugin, outputs are never secret by themselves, whatever
// the inputs were; a program that needs that says additionalSecretOutputs. In a preview the
// outputs are unknown.
func stateOf(news resource.PropertyMap, out outputs, preview bool) resource.PropertyMap {
	state := news.Copy()
	if preview {
		unknown := resource.MakeComputed(resource.NewStringProperty(""))
		state["stdout"], state["stderr"] = unknown, unknown
		return state
	}
	state["stdout"] = resource.NewStringProperty(out.stdout)
	state["stderr"] = resource.NewStringProperty(out.stderr)
	if out.assets != nil {
		assets := resource.PropertyMap{}
		for path, a := range out.assets {
			assets[resource.PropertyKey(path)] = resource.NewAssetProperty(a)
		}
		state["assets"] = resource.NewObjectProperty(assets)
	}
	if out.archive != nil {
		state["archive"] = resource.NewArchiveProperty(out.archive)
	}
	return state
}

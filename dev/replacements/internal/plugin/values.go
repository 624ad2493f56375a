package plugin

import (
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/structpb"
)

// Decode reads properties off the wire, with unknowns, secrets and outputs kept as such.
func Decode(properties *structpb.Struct) (resource.PropertyMap, error) {
	return plugin.UnmarshalProperties(properties, plugin.MarshalOptions{
		KeepUnknowns: true, KeepSecrets: true, KeepOutputValues: false, SkipNulls: true,
	})
}

// DecodePlain reads properties off the wire without their secret marks.
func DecodePlain(properties *structpb.Struct) (resource.PropertyMap, error) {
	return plugin.UnmarshalProperties(properties, plugin.MarshalOptions{
		KeepUnknowns: true, SkipNulls: true,
	})
}

// Encode writes properties for the wire, with unknowns and secrets kept as such.
func Encode(properties resource.PropertyMap) (*structpb.Struct, error) {
	return plugin.MarshalProperties(properties, plugin.MarshalOptions{
		KeepUnknowns: true, KeepSecrets: true, SkipNulls: true,
	})
}

// Plain takes secret and output marks off a value, at every depth. Unknown parts stay unknown.
func Plain(v resource.PropertyValue) resource.PropertyValue {
	switch {
	case v.IsSecret():
		return Plain(v.SecretValue().Element)
	case v.IsOutput():
		if !v.OutputValue().Known {
			return resource.MakeComputed(resource.NewStringProperty(""))
		}
		return Plain(v.OutputValue().Element)
	case v.IsArray():
		items := make([]resource.PropertyValue, 0, len(v.ArrayValue()))
		for _, item := range v.ArrayValue() {
			items = append(items, Plain(item))
		}
		return resource.NewArrayProperty(items)
	case v.IsObject():
		return resource.NewObjectProperty(PlainMap(v.ObjectValue()))
	default:
		return v
	}
}

// PlainMap is Plain for every value of m.
func PlainMap(m resource.PropertyMap) resource.PropertyMap {
	out := make(resource.PropertyMap, len(m))
	for k, v := range m {
		out[k] = Plain(v)
	}
	return out
}

// Secret marks a value as secret unless it is already.
func Secret(v resource.PropertyValue) resource.PropertyValue {
	if v.IsSecret() {
		return v
	}
	return resource.MakeSecret(v)
}

// DetailedDiff turns an object diff into the wire's map from property path to kind of change.
// replaces says of a path whether its change needs a replacement.
func DetailedDiff(diff *resource.ObjectDiff, replaces func(path string) bool) map[string]*pulumirpc.PropertyDiff {
	out := map[string]*pulumirpc.PropertyDiff{}
	for path, change := range plugin.NewDetailedDiffFromObjectDiff(diff, false) {
		if replaces(path) {
			change = change.ToReplace()
		}
		out[path] = &pulumirpc.PropertyDiff{
			Kind: pulumirpc.PropertyDiff_Kind(change.Kind), InputDiff: change.InputDiff,
		}
	}
	return out
}

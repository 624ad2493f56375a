package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// check gives a reason for each input that is missing or wrong; unknown ones are right for now.
func (k *kind) check(name string, m resource.PropertyMap) []string {
	var reasons []string
	for _, in := range k.inputs {
		v, given := m[resource.PropertyKey(in.name)]
		if !given || v.IsNull() {
			if in.required {
				reasons = append(reasons, fmt.Sprintf(
					"Missing required property '%s': %s", in.name, in.description))
			}
			continue
		}
		reasons = append(reasons, in.check(name, v)...)
	}
	return reasons
}

func (in input) check(name string, v resource.PropertyValue) []string {
	if v.IsComputed() {
		return nil
	}
	if !in.fits(v) {
		return []string{fmt.Sprintf("Incorrect type: '%s' must be %s, got %s. "+
			"Examine values at '%s.%s'.", in.name, in.valueType, v.TypeString(), name, in.name)}
	}
	switch in.valueType {
	case text:
		return in.checkText(name, "", v)
	case number:
		if in.atLeast != nil && v.NumberValue() < *in.atLeast {
			return []string{in.reason(name, "", "Invalid Attribute Value", fmt.Sprintf(
				"value must be at least %v, got: %v", *in.atLeast, v.NumberValue()))}
		}
	case texts:
		var reasons []string
		for i, item := range v.ArrayValue() {
			reasons = append(reasons, in.checkText(name, fmt.Sprintf("[%d]", i), item)...)
		}
		return reasons
	}
	return nil
}

func (in input) checkText(name, index string, v resource.PropertyValue) []string {
	if v.IsComputed() {
		return nil
	}
	got := v.StringValue()
	if in.oneOf != nil && !slices.Contains(in.oneOf, got) {
		return []string{in.reason(name, index, "Invalid Attribute Value Match", fmt.Sprintf(
			"value must be one of: [\"%s\"], got: %q", strings.Join(in.oneOf, `" "`), got))}
	}
	if in.minLength && got == "" {
		return []string{in.reason(name, index, "Invalid Attribute Value Length",
			"string length must be at least 1, got: 0")}
	}
	return nil
}

func (in input) reason(name, index, summary, detail string) string {
	return fmt.Sprintf("%s. Attribute %s%s %s. Examine values at '%s.%s%s'.",
		summary, in.tfName, index, detail, name, in.name, index)
}

func (in input) fits(v resource.PropertyValue) bool {
	switch in.valueType {
	case text:
		return v.IsString()
	case number:
		return v.IsNumber() && v.NumberValue() == math.Trunc(v.NumberValue())
	case boolean:
		return v.IsBool()
	case texts:
		if !v.IsArray() {
			return false
		}
		for _, item := range v.ArrayValue() {
			if !item.IsString() && !item.IsComputed() {
				return false
			}
		}
		return true
	default:
		return v.IsObject()
	}
}

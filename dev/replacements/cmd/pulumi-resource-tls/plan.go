package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

var (
	unknown = resource.MakeComputed(resource.NewStringProperty(""))
	pemText = regexp.MustCompile(`^-----BEGIN [[:alpha:] ]+-----\n(.|\s)+\n-----END [[:alpha:] ]+-----\n?$`)
)

// plan gives the properties that the resource will have and the names of those that need a
// replacement, from its state (nil when it is to be made) and its inputs. Properties that only
// making it can tell are unknown; when there is a state they are kept from it.
func (k *kind) plan(
	state, news resource.PropertyMap, now time.Time,
) (planned resource.PropertyMap, replaces []string, err error) {
	planned = resource.PropertyMap{}
	for _, in := range k.inputs {
		key := resource.PropertyKey(in.name)
		old, had := state[key]
		v, given := news[key]
		if !given || v.IsNull() {
			v = in.fallback
			if in.replaces == ifUnknown {
				v = resource.NewNullProperty()
				if state == nil {
					v = unknown
				} else if had {
					v = old
				}
			}
		}
		if !v.IsNull() {
			planned[key] = v
		}
		if state != nil && in.replaced(old, v) {
			replaces = append(replaces, in.name)
		}
	}
	for _, name := range concat(k.computed, k.computedSecrets) {
		key := resource.PropertyKey(name)
		if old, had := state[key]; had {
			planned[key] = old
		} else if state == nil {
			planned[key] = unknown
		}
	}
	if !k.renews {
		return planned, replaces, nil
	}
	planned["readyForRenewal"] = resource.NewBoolProperty(bornReady(planned))
	if state != nil {
		due, err := dueForRenewal(state, planned, now)
		if err != nil {
			return nil, nil, err
		}
		if due {
			planned["readyForRenewal"] = unknown
			replaces = append(replaces, "readyForRenewal")
		}
	}
	return planned, replaces, nil
}

func (in input) replaced(old, v resource.PropertyValue) bool {
	if in.replaces == never || (old.IsNull() && v.IsNull()) || (!v.IsComputed() && old.DeepEquals(v)) {
		return false
	}
	if in.replaces == ifPEM {
		return old.IsString() && pemText.MatchString(old.StringValue())
	}
	return true
}

// bornReady tells whether a certificate is within its renewal time from its first moment.
func bornReady(planned resource.PropertyMap) bool {
	hours, early := planned["validityPeriodHours"], planned["earlyRenewalHours"]
	if !hours.IsNumber() {
		return false
	}
	return hours.NumberValue() == 0 || early.IsNumber() && early.NumberValue() >= hours.NumberValue()
}

// dueForRenewal tells whether the certificate in the state is within the renewal time that
// settings ask for, or has ended.
func dueForRenewal(state, settings resource.PropertyMap, now time.Time) (bool, error) {
	end := state["validityEndTime"]
	if !end.IsString() {
		return false, nil
	}
	at, err := time.Parse(time.RFC3339, end.StringValue())
	if err != nil {
		return false, fmt.Errorf("Failed to parse data from string: %s: %w", end.StringValue(), err)
	}
	var early time.Duration
	if v := settings["earlyRenewalHours"]; v.IsNumber() {
		early = time.Duration(v.NumberValue()) * time.Hour
	}
	return !at.Add(-early).After(now), nil
}

// known drops what other versions may have left in a state.
func (k *kind) known(state resource.PropertyMap) resource.PropertyMap {
	out := resource.PropertyMap{}
	keep := func(name string) {
		if v, has := state[resource.PropertyKey(name)]; has {
			out[resource.PropertyKey(name)] = v
		}
	}
	for _, in := range k.inputs {
		keep(in.name)
	}
	for _, name := range concat(k.computed, k.computedSecrets) {
		keep(name)
	}
	return out
}

// topOf gives the property that a path ("dnsNames[0]", "subject.commonName") begins with.
func topOf(path string) string {
	if i := strings.IndexAny(path, ".["); i > 0 {
		return path[:i]
	}
	return path
}

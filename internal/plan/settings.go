package plan

import (
	"reflect"
	"slices"
	"strings"

	"github.com/spillway-lb/spillway/config"
)

// told are the keys that other parts of a plan tell of, by what becomes of services,
// groups and listeners.
var told = map[string]bool{"service": true, "group": true, "listener": true, "endpoints": true}

// settings are the keys outside of services that have another value, and those of
// groups and listeners that stay where they are.
func settings(prev, next *config.Config) []string {
	keys := append([]string{}, differences(prev, next)...)
	for i := range next.Groups {
		g := &next.Groups[i]
		if j := slices.IndexFunc(prev.Groups, func(old config.Group) bool { return old.Name == g.Name }); j >= 0 {
			for _, key := range differences(&prev.Groups[j], g) {
				keys = append(keys, "group."+g.Name+"."+key)
			}
		}
	}
	for i := range next.Listeners {
		l := &next.Listeners[i]
		if old := listenerAt(prev, l); old != nil {
			for _, key := range differences(old, l) {
				keys = append(keys, "listener."+l.Name+"."+key)
			}
		}
	}
	return keys
}

// differences names the keys whose values differ in two structs of one type, or
// pointers to them: as in a file, "health_check.timeout".
func differences(a, b any) []string {
	return differ("", reflect.Indirect(reflect.ValueOf(a)), reflect.Indirect(reflect.ValueOf(b)))
}

func differ(path string, a, b reflect.Value) (keys []string) {
	for i := range a.NumField() {
		key, _, _ := strings.Cut(a.Type().Field(i).Tag.Get("toml"), ",")
		if key == "" || key == "-" || path == "" && told[key] {
			continue
		}
		x, y := a.Field(i), b.Field(i)
		if reflect.DeepEqual(x.Interface(), y.Interface()) {
			continue
		}
		if x.Kind() == reflect.Pointer && !x.IsNil() && !y.IsNil() {
			x, y = x.Elem(), y.Elem()
		}
		var inside []string
		if x.Kind() == reflect.Struct {
			inside = differ(path+key+".", x, y)
		}
		if inside == nil {
			inside = []string{path + key}
		}
		keys = append(keys, inside...)
	}
	return keys
}

package config

import "reflect"

// aliases are other names of a backend's keys. The API has one name for
// instances and one for endpoints, which are the same thing here.
var aliases = map[string]string{
	"max_rate_per_instance":               "max_rate_per_endpoint",
	"max_connections_per_instance":        "max_connections_per_endpoint",
	"max_in_flight_requests_per_instance": "max_in_flight_requests_per_endpoint",
}

// aliasOf returns the key of a section that another name stands for.
func aliasOf(section reflect.Type, name string) (key string, ok bool) {
	if section != reflect.TypeFor[Backend]() {
		return "", false
	}
	key, ok = aliases[name]
	return key, ok
}

// alias decodes what stands under another name into the field of the key.
func (l *loader) alias(path, name, key string, table map[string]any, v reflect.Value) {
	if _, both := table[key]; both {
		l.errorf(join(path, name), "is another name of %s%s: one of them is enough", key, l.onLine(join(path, key)))
		return
	}
	field, _ := fieldOf(v, key)
	l.value(join(path, name), table[name], field)
}

// written returns the name under which a backend has a key in the file, "" if it
// has it not.
func (l *loader) written(path, key string) string {
	if l.has(join(path, key)) {
		return key
	}
	for name, original := range aliases {
		if original == key && l.has(join(path, name)) {
			return name
		}
	}
	return ""
}

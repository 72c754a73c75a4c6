package config

import (
	"maps"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

func TestPlacesOfEveryWayToWriteAKey(t *testing.T) {
	const text = `# line 1
a = 1
b.c = 2 # { [ "
"quo\u0074ed" = 1
'lit eral'.x = 1
array = [ 1,
  # comment ]
  [2,
   3], "]",
]
inline = { x = 1, y.z = [
  { w = 1 } ] }
text = """
a = "no key"
\""" [no header]
""""" # two quotes end the text
raw = '''
\'''
[table]
a = 1
[[list]]
a = 1
  [list.sub]
  a = 1
  [[list.deep]]
  a = 1
  [[list.deep]]
  a = 1
[[ list ]]
a = 1979-05-27 07:32:00Z
[[list.deep]]
last = 1`
	want := places{
		"a": 2, "b": 3, "b.c": 3, "quoted": 4, `"lit eral"`: 5, `"lit eral".x`: 5,
		"array": 6, "array[0]": 6, "array[1]": 8, "array[1][0]": 8, "array[1][1]": 9, "array[2]": 9,
		"inline": 11, "inline.x": 11, "inline.y": 11, "inline.y.z": 11, "inline.y.z[0]": 12, "inline.y.z[0].w": 12,
		"text": 13, "raw": 17, "table": 19, "table.a": 20,
		"list": 21, "list[0]": 21, "list[0].a": 22, "list[0].sub": 23, "list[0].sub.a": 24,
		"list[0].deep": 25, "list[0].deep[0]": 25, "list[0].deep[0].a": 26,
		"list[0].deep[1]": 27, "list[0].deep[1].a": 28,
		"list[1]": 29, "list[1].a": 30,
		"list[1].deep": 31, "list[1].deep[0]": 31, "list[1].deep[0].last": 32,
	}
	for ending, text := range map[string]string{"LF": text, "CRLF": strings.ReplaceAll(text, "\n", "\r\n"), "BOM": "\ufeff" + text} {
		var tree map[string]any
		if _, err := toml.Decode(text, &tree); err != nil {
			t.Fatalf("%s: the test's own text is wrong: %v", ending, err)
		}
		got, tooDeep := locate([]byte(text))
		if tooDeep != 0 || !maps.Equal(got, want) {
			for path := range want {
				if got[path] != want[path] {
					t.Errorf("%s: %s is on line %d, want %d", ending, path, got[path], want[path])
				}
			}
			for path, line := range got {
				if _, ok := want[path]; !ok {
					t.Errorf("%s: %s on line %d is not in the file", ending, path, line)
				}
			}
		}
	}
}

func TestWhatIsNotInTheFileIsPlacedWhereItWouldBe(t *testing.T) {
	p := places{"service": 3, "service[1]": 7, `service[1]."a.b"`: 9}
	for path, want := range map[string]int{
		"service[1].name": 7, "service[1].backend[2].group": 7, "service[4]": 3,
		`service[1]."a.b".c`: 9, "listener": 0, "": 0,
	} {
		if got := p.line(path); got != want {
			t.Errorf("%s: line %d, want %d", path, got, want)
		}
	}
}

// Whatever document the toml package accepts, every key and element of it has a
// place, on a line that exists, and nothing else does.
func FuzzLocate(f *testing.F) {
	f.Add([]byte("a.b = [1, {c = 2}]\n[[d]]\n[d.e]\n'f' = \"\"\"x\"\"\"\"\"\n"))
	f.Add([]byte("\"\\e\" = 1\n[ \"a.b\" . c ]\nx = { y = 1, \n z = 2, }"))
	f.Add([]byte("a = ]}{,\n[[a\n\"\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		found, tooDeep := locate(data)
		if tooDeep != 0 {
			return
		}
		var tree map[string]any
		if _, err := toml.Decode(string(data), &tree); err != nil {
			return
		}
		lines := strings.Count(string(data), "\n") + 1
		n := 0
		check := func(path string) {
			n++
			if line, ok := found[path]; !ok || line < 1 || line > lines {
				t.Errorf("%s: line %d of %d", path, line, lines)
			}
		}
		walk(tree, "", check)
		if n != len(found) {
			t.Errorf("%d places for %d keys and elements: %v", len(found), n, found)
		}
	})
}

func walk(v any, path string, visit func(string)) {
	if table, ok := v.(map[string]any); ok {
		for key, value := range table {
			visit(join(path, key))
			walk(value, join(path, key), visit)
		}
	}
	elements, _ := elementsOf(v)
	for i, value := range elements {
		visit(at(path, i))
		walk(value, at(path, i), visit)
	}
}

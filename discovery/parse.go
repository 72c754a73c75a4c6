package discovery

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// ParseFile reads a file of endpoints:
//
//	{"endpoints": ["10.0.0.1:80", {"address": "10.0.0.2:80", "id": "big", "weight": 2, "max": 100}]}
//
// or the array alone. The keys mean what they mean in Spillway's own file; an
// address without a port is for groups with named ports. It is strict: what would be
// ignored is an error, which has the line. An empty list is ErrNobody, and so is one
// in which every weight is 0.
func ParseFile(data []byte) ([]Endpoint, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("the file is not UTF-8")
	}
	p := parser{data: data, json: json.NewDecoder(bytes.NewReader(data)), ids: make(map[string]int)}
	p.json.UseNumber()
	if err := p.file(); err != nil {
		return nil, fmt.Errorf("%d: %w", p.line(err), err)
	}
	weight := uint64(0)
	for _, e := range p.found {
		weight += uint64(e.Weight)
	}
	switch {
	case len(p.found) == 0:
		return nil, ErrNobody
	case weight == 0:
		return nil, fmt.Errorf("%w: every weight is 0", ErrNobody)
	}
	return p.found, nil
}

// A parser reads the file token by token, because lines and duplicate keys are
// what json.Unmarshal does not tell.
type parser struct {
	data  []byte
	json  *json.Decoder
	at    int64 // where the value begins that is being read
	found []Endpoint
	ids   map[string]int // the line of each
}

// line is where err is about.
func (p *parser) line(err error) int {
	at := p.at
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		at = syntax.Offset
	}
	return 1 + bytes.Count(p.data[:min(max(at, 0), int64(len(p.data)))], []byte{'\n'})
}

// token reads one token and notes where it begins.
func (p *parser) token() (json.Token, error) {
	end := p.json.InputOffset()
	for end < int64(len(p.data)) && bytes.IndexByte([]byte(" \t\r\n,:"), p.data[end]) >= 0 {
		end++
	}
	p.at = end
	t, err := p.json.Token()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, errors.New("the file ends too soon")
	}
	return t, err
}

func (p *parser) file() error {
	t, err := p.token()
	switch {
	case err != nil:
		return err
	case t == json.Delim('['):
		err = p.endpoints()
	case t == json.Delim('{'):
		err = p.object(func(key string) error {
			if key != "endpoints" {
				return fmt.Errorf(`unknown key %.40q: there is only "endpoints"`, key)
			}
			t, err := p.token()
			if err != nil {
				return err
			}
			if t != json.Delim('[') {
				return errors.New(`"endpoints" must be an array`)
			}
			return p.endpoints()
		})
	default:
		return errors.New(`must be {"endpoints": […]}, or an array`)
	}
	if err != nil {
		return err
	}
	p.at = p.json.InputOffset()
	if _, err := p.json.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the end")
	}
	return nil
}

// endpoints reads the rest of an array.
func (p *parser) endpoints() error {
	for {
		t, err := p.token()
		if err != nil {
			return err
		}
		e := Endpoint{Weight: 1}
		begin := p.at
		switch t := t.(type) {
		case string:
			e.Addr = t
		case json.Delim:
			if t == ']' {
				return nil
			}
			if t != '{' {
				return errors.New("an endpoint is an address or an object")
			}
			if err := p.endpoint(&e); err != nil {
				return err
			}
		default:
			return errors.New("an endpoint is an address or an object")
		}
		p.at = begin
		if err := p.add(e); err != nil {
			return err
		}
	}
}

func (p *parser) add(e Endpoint) error {
	if e.Addr == "" {
		return errors.New("an endpoint needs an address")
	}
	if err := checkAddress(e.Addr); err != nil {
		return err
	}
	if e.ID == "" {
		e.ID = e.Addr
	}
	if first, twice := p.ids[e.ID]; twice {
		return fmt.Errorf("there is an endpoint %.60q already on line %d: give one of them another id", e.ID, first)
	}
	p.ids[e.ID] = p.line(nil)
	p.found = append(p.found, e)
	return nil
}

// endpoint reads the rest of an object.
func (p *parser) endpoint(e *Endpoint) error {
	return p.object(func(key string) error {
		t, err := p.token()
		if err != nil {
			return err
		}
		switch key {
		case "address":
			e.Addr, err = text(t)
		case "id":
			if e.ID, err = text(t); err == nil {
				err = checkID(e.ID)
			}
		case "weight":
			var n int64
			n, err = integer(t, maxWeight)
			e.Weight = uint32(n)
		case "max":
			e.Max, err = integer(t, 1<<53)
		default:
			return fmt.Errorf("unknown key %.40q: there are address, id, weight and max", key)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		return nil
	})
}

// object reads the rest of an object, of which value reads each value.
func (p *parser) object(value func(key string) error) error {
	seen := make(map[string]bool)
	for {
		t, err := p.token()
		if err != nil {
			return err
		}
		if t == json.Delim('}') {
			return nil
		}
		key, _ := t.(string) // JSON has no other keys
		if seen[key] {
			return fmt.Errorf("%.40q is there twice", key)
		}
		seen[key] = true
		if err := value(key); err != nil {
			return err
		}
	}
}

func text(t json.Token) (string, error) {
	if s, ok := t.(string); ok && s != "" {
		return s, nil
	}
	return "", errors.New("must be a string, and not empty")
}

func integer(t json.Token, most int64) (int64, error) {
	number, _ := t.(json.Number)
	n, err := strconv.ParseInt(number.String(), 10, 64)
	if err != nil || n < 0 || n > most {
		return 0, fmt.Errorf("must be an integer from 0 to %d", most)
	}
	return n, nil
}

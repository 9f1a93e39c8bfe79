package pgwire

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/jackc/pgproto3/v2"
)

// TestTranscripts plays each file of testdata/transcripts on one server. Commands:
//
//	connect        opens a connection without a word
//	login          opens one and starts a session
//	send           sends the messages of the input, one on a line, and prints what
//	               comes up to until=… (ReadyForQuery if not given; none: nothing)
//
// Messages: Startup K=V…, StartupVersion 3.2 K=V…, SSLRequest, GSSENCRequest,
// Query text, Parse name [oid,…] text, Bind portal stmt [p=fmt,…] [r=fmt,…] values…,
// Describe S|P name, Execute portal max, Close S|P name, CopyData text, CopyDone,
// CopyFail text, Flush, Sync, Terminate, Raw hex. "-" is the empty name, NULL is
// null, values that begin with 0x are binary.
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata/transcripts", func(t *testing.T, path string) {
		s := newTestServer(t, nil)
		var c *client
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "connect":
				c = s.connect(t)
				return ""
			case "login":
				c = s.login(t)
				return ""
			case "send":
				// A client of an earlier step reports to the present one.
				c.t = t
				until := "ReadyForQuery"
				d.MaybeScanArgs(t, "until", &until)
				var out []byte
				for _, line := range strings.Split(d.Input, "\n") {
					b, err := encodeLine(line)
					if err != nil {
						d.Fatalf(t, "%v", err)
					}
					out = append(out, b...)
				}
				c.write(out)
				if until == "none" {
					return ""
				}
				if until == "N" {
					b, err := c.take(1)
					return fmt.Sprintf("%s %v\n", b, err)
				}
				return strings.Join(c.until(until), "\n") + "\n"
			}
			d.Fatalf(t, "unknown command %s", d.Cmd)
			return ""
		})
	})
}

// encodeLine encodes a message in the form that TestTranscripts describes.
func encodeLine(line string) ([]byte, error) {
	word, rest, _ := strings.Cut(line, " ")
	args := strings.Fields(rest)
	name := func(i int) string {
		if args[i] == "-" {
			return ""
		}
		return args[i]
	}
	switch word {
	case "Startup":
		return startupPacket(protocol30, args...), nil
	case "StartupVersion":
		var major, minor uint32
		if _, err := fmt.Sscanf(args[0], "%d.%d", &major, &minor); err != nil {
			return nil, err
		}
		return startupPacket(major<<16|minor, args[1:]...), nil
	case "SSLRequest":
		return (&pgproto3.SSLRequest{}).Encode(nil)
	case "GSSENCRequest":
		return (&pgproto3.GSSEncRequest{}).Encode(nil)
	case "Query":
		return (&pgproto3.Query{String: rest}).Encode(nil)
	case "Parse":
		m := &pgproto3.Parse{Name: name(0)}
		rest = strings.TrimPrefix(rest[len(args[0]):], " ")
		if strings.HasPrefix(rest, "[") {
			oids, text, _ := strings.Cut(rest[1:], "]")
			for _, s := range strings.Split(oids, ",") {
				oid, err := strconv.ParseUint(s, 10, 32)
				if err != nil {
					return nil, err
				}
				m.ParameterOIDs = append(m.ParameterOIDs, uint32(oid))
			}
			rest = strings.TrimPrefix(text, " ")
		}
		m.Query = rest
		return m.Encode(nil)
	case "Bind":
		m := &pgproto3.Bind{DestinationPortal: name(0), PreparedStatement: name(1)}
		for _, a := range args[2:] {
			switch {
			case strings.HasPrefix(a, "p="), strings.HasPrefix(a, "r="):
				for _, s := range strings.Split(a[2:], ",") {
					f, err := strconv.ParseInt(s, 10, 16)
					if err != nil {
						return nil, err
					}
					if a[0] == 'p' {
						m.ParameterFormatCodes = append(m.ParameterFormatCodes, int16(f))
					} else {
						m.ResultFormatCodes = append(m.ResultFormatCodes, int16(f))
					}
				}
			case a == "NULL":
				m.Parameters = append(m.Parameters, nil)
			case strings.HasPrefix(a, "0x"):
				b, err := hex.DecodeString(a[2:])
				if err != nil {
					return nil, err
				}
				m.Parameters = append(m.Parameters, b)
			case a == "''":
				m.Parameters = append(m.Parameters, []byte{})
			default:
				m.Parameters = append(m.Parameters, []byte(a))
			}
		}
		return m.Encode(nil)
	case "Describe":
		return (&pgproto3.Describe{ObjectType: args[0][0], Name: name(1)}).Encode(nil)
	case "Execute":
		n, err := strconv.ParseInt(args[1], 10, 32)
		if err != nil {
			return nil, err
		}
		return (&pgproto3.Execute{Portal: name(0), MaxRows: uint32(n)}).Encode(nil)
	case "Close":
		return (&pgproto3.Close{ObjectType: args[0][0], Name: name(1)}).Encode(nil)
	case "CopyData":
		return (&pgproto3.CopyData{Data: []byte(rest)}).Encode(nil)
	case "CopyDone":
		return (&pgproto3.CopyDone{}).Encode(nil)
	case "CopyFail":
		return (&pgproto3.CopyFail{Message: rest}).Encode(nil)
	case "Flush":
		return (&pgproto3.Flush{}).Encode(nil)
	case "Sync":
		return (&pgproto3.Sync{}).Encode(nil)
	case "Terminate":
		return (&pgproto3.Terminate{}).Encode(nil)
	case "Raw":
		return hex.DecodeString(strings.ReplaceAll(rest, " ", ""))
	}
	return nil, fmt.Errorf("unknown message %q", line)
}

// startupPacket keeps the order of the parameters, which pgproto3's map does not.
func startupPacket(version uint32, params ...string) []byte {
	w := &writer{buf: []byte{0, 0, 0, 0}}
	w.uint32(version)
	for _, p := range params {
		k, v, _ := strings.Cut(p, "=")
		w.cstring(k)
		w.cstring(strings.ReplaceAll(v, "~", " "))
	}
	w.byte(0)
	w.buf[2], w.buf[3] = byte(len(w.buf)>>8), byte(len(w.buf))
	return w.buf
}

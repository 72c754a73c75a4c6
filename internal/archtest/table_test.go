package archtest

// Short names of other people's modules.
const (
	maglev     = "github.com/dgryski/go-maglev"
	siphash    = "github.com/dchest/siphash"
	xxhash     = "github.com/cespare/xxhash/v2"
	multierror = "github.com/hashicorp/go-multierror"
	fasthttp   = "github.com/valyala/fasthttp"
	toml       = "github.com/BurntSushi/toml"
	miekgdns   = "github.com/miekg/dns"
	prometheus = "github.com/prometheus/client_golang"
	gochart    = "github.com/wcharczuk/go-chart/v2"
	xcrypto    = "golang.org/x/crypto"
	xsys       = "golang.org/x/sys"
	protobuf   = "google.golang.org/protobuf"
	grpc       = "google.golang.org/grpc"
	xds        = "github.com/cncf/xds/go"

	prometheusModel  = "github.com/prometheus/client_model"
	prometheusCommon = "github.com/prometheus/common"
)

// A rule says what one package may import besides the standard library. A name
// that ends in "/..." stands for everything below it; a module for all of its
// packages.
type rule struct {
	dir string
	may []string
	// not has packages of the standard library that are not for this one.
	not []string
	// why is the reason, printed with every violation.
	why string
}

// clockAndWorld is what pure code does without.
var clockAndWorld = []string{"context", "log", "log/slog", "net", "net/http", "os", "sync", "syscall", "time"}

// table is the plan of the house, leaves first.
var table = []rule{
	{"balance", []string{maglev, siphash, xxhash}, clockAndWorld,
		"a policy that knows health filters per pick, and that is where selection bugs live; no goroutine, clock, lock or network"},
	{"balance/balancetest", []string{"balance"}, []string{"net", "net/http", "os", "time"},
		"it proves policies alone, also those of others"},
	{"capacity", nil, []string{"context", "log", "log/slog", "net", "net/http", "os", "sync", "syscall"},
		"pure arithmetic, testable with a table; time is an argument"},
	{"affinity", []string{xcrypto, xxhash}, []string{"context", "log", "log/slog", "net", "net/http", "os", "sync"},
		"a key is made of bytes; TCP uses it too, so it brings no HTTP stack"},
	{"health", []string{protobuf + "/encoding/protowire"}, nil,
		"who is checked, and what follows from the answer, is the caller's business; a load report may come in protobuf's wire format"},
	{"discovery", []string{miekgdns}, []string{"net/http", "os/exec"},
		"who is there is one thing, what is made of it another: a source knows no service, no balancer and no file of ours"},
	{"health/poll", []string{"health", prometheusModel, prometheusCommon}, nil,
		"a page is a report in another form; when to ask whom, the caller knows"},
	{"health/orca", []string{"health", grpc, xds, protobuf}, nil,
		"who has no use for gRPC does not pay for it"},
	{"lb", []string{"balance", "capacity", "health", multierror}, []string{"net", "net/http", "os"},
		"a key is a number, so it needs no affinity; a service is data, so it needs no config; it moves no bytes, so it needs no proxy"},
	{"proxy", []string{"lb", "balance", "affinity", "health", "proxy/internal/loop", "proxy/internal/netio", "proxy/internal/proxyproto", "proxy/internal/sys", xsys}, []string{"net/http"},
		"it is what the engines share, so it knows none of them; the file's meaning is internal/app's business"},
	{"proxy/internal/proxyproto", nil, clockAndWorld,
		"a header is a function of bytes, whoever reads or sends them"},
	{"proxy/internal/sys", []string{xsys}, []string{"net", "net/http", "context"},
		"a system call knows descriptors and bytes"},
	{"proxy/internal/netio", []string{xsys, "proxy/internal/sys"}, []string{"net/http"},
		"a connection knows nothing of what it carries"},
	{"proxy/internal/loop", []string{xsys, "proxy/internal/sys", "proxy/internal/netio"}, []string{"net/http"},
		"a loop knows nothing of what its connections carry, nor who it is for"},
	{"proxy/internal/relay", []string{"proxy", "proxy/internal/netio", "proxy/internal/loop", "proxy/internal/sys"}, []string{"net/http"},
		"it moves bytes, and knows neither who chose the endpoint nor what the bytes mean"},
	{"proxy/internal/hello", []string{xcrypto}, append([]string{"crypto/tls", "io"}, clockAndWorld...),
		"it reads bytes that have come; who waits for more, and what a name leads to, others know"},
	{"proxy/internal/secure", []string{"proxy", "balance", "proxy/internal/netio"}, []string{"net/http"},
		"it connects to an endpoint that somebody else has chosen"},
	{"proxy/http/h1", nil, append([]string{"io"}, clockAndWorld...),
		"the message core is a function of bytes: one meaning of HTTP, whoever drives it"},
	{"proxy/http", []string{"proxy", "lb", "balance", "affinity", "health", "proxy/http/h1", "proxy/internal/netio", "proxy/internal/loop", "proxy/internal/relay", "proxy/internal/secure"}, []string{"net/http"},
		"HTTP means what h1 says and nothing else"},
	{"proxy/tcp", []string{"proxy", "lb", "balance", "affinity", "proxy/internal/hello", "proxy/internal/netio", "proxy/internal/loop", "proxy/internal/relay", "proxy/internal/secure"}, []string{"net/http"},
		"a TCP proxy does not pay for HTTP"},
	{"proxy/udp", []string{"proxy", "lb", "balance", "affinity", "proxy/internal/loop", "proxy/internal/sys", xsys}, []string{"net/http"},
		"datagrams are no connections: they share loops with those, and nothing else"},
	{"proxy/tlsfront", []string{"proxy", "proxy/internal/netio"}, []string{"net/http"},
		"it takes TLS off connections, and knows nothing of what they carry"},
	{"config", []string{toml, multierror}, []string{"context", "log", "log/slog", "net/http", "sync"},
		"the file is data: it can be checked without anything that runs"},
	{"internal/host", nil, []string{"net", "net/http"},
		"what the kernel's files say is a function of bytes; who is asked about, others know"},
	{"internal/metrics", []string{"lb", "capacity", "discovery", "proxy", "proxy/tlsfront", "balance", "health", prometheus}, []string{"net/http"},
		"it reads counters when it is scraped, and serves nothing itself"},
	{"internal/admin", []string{"lb", "capacity", "health", fasthttp, prometheus}, nil,
		"it serves what it is given: what a reload is, or a metric, others know"},
	{"internal/app", []string{"affinity", "balance", "capacity", "config", "discovery", "health", "health/orca", "health/poll", "lb", "proxy", "proxy/http", "proxy/tcp", "proxy/tlsfront", "proxy/udp", "internal/admin", "internal/handover", "internal/host", "internal/metrics", "internal/systemd", prometheus}, nil,
		"it joins all of the above, and nothing joins it but the command and what answers its questions"},
	{"internal/handover", nil, []string{"net/http"},
		"a socket is passed on, whoever listens on it and whatever for"},
	{"internal/systemd", []string{"internal/handover", xsys}, []string{"net/http"},
		"it speaks with a service manager, and knows nothing of what is served"},
	{"internal/plan", []string{"affinity", "balance", "capacity", "config", "lb", "internal/app"}, []string{"net/http"},
		"what a file means is the app's to say, and who gets which key the tables': it compares, and runs nothing"},
	{"cmd/spillway", []string{"config", "internal/app", "internal/admin", "internal/doctor", "internal/handover", "internal/plan", "internal/plot", "internal/simulate", "internal/systemd", "internal/top", fasthttp}, nil,
		"flags, signals and verbs; what runs is the app's"},
	{"internal/doctor", []string{"config", "internal/admin", "internal/host"}, []string{"log", "log/slog", "os/exec"},
		"it knows a proxy by what that tells of itself, and changes nothing"},
	{"internal/plot", []string{gochart}, clockAndWorld,
		"it draws numbers, whatever they mean; nobody else needs a drawing library"},
	{"internal/simulate", []string{"affinity", "balance", "capacity", "health", "lb", "internal/plot"}, []string{"log", "log/slog", "net", "net/http", "os", "sync"},
		"it plays traffic through the balancer: no clock but its own, no socket, no goroutine"},
	{"internal/configdoc", nil, nil,
		"it reads the comments of config, not the package"},
	{"internal/testkit", nil, nil,
		"every package's tests may import it, so it imports none"},
	{"internal/dnstest", []string{miekgdns}, nil,
		"a server that tests of several packages ask"},
	{"internal/top", []string{"internal/admin", "github.com/gdamore/tcell", "github.com/rivo/tview"}, []string{"log", "log/slog", "net", "net/http", "os"},
		"it draws what the admin API says; nobody else needs a terminal"},
	{"internal/chaos", []string{xsys}, nil,
		"it has nothing but tests, of the binary"},
	{"internal/soak", nil, nil,
		"it has nothing but tests, of the whole"},
	{"internal/archtest", nil, nil,
		"it reads source and needs nothing of it"},
	{"examples/...", []string{"affinity", "balance", "balance/balancetest", "capacity", "config", "discovery", "health", "lb", "proxy", "proxy/http", "proxy/tcp", "proxy/tlsfront", "proxy/udp"}, nil,
		"an example does what a reader can do: no internal packages"},
}

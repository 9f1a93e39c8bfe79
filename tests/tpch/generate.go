package tpch

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// schema is that of clause 1.4, with the keys as indexes.
const schema = `
create table region (r_regionkey int primary key, r_name varchar(25) not null, r_comment varchar(152));
create table nation (n_nationkey int primary key, n_name varchar(25) not null, n_regionkey int not null, n_comment varchar(152));
create table supplier (s_suppkey int primary key, s_name varchar(25) not null, s_address varchar(40) not null, s_nationkey int not null,
	s_phone varchar(15) not null, s_acctbal numeric(15,2) not null, s_comment varchar(101) not null);
create table part (p_partkey int primary key, p_name varchar(55) not null, p_mfgr varchar(25) not null, p_brand varchar(10) not null,
	p_type varchar(25) not null, p_size int not null, p_container varchar(10) not null, p_retailprice numeric(15,2) not null, p_comment varchar(23) not null);
create table partsupp (ps_partkey int not null, ps_suppkey int not null, ps_availqty int not null, ps_supplycost numeric(15,2) not null,
	ps_comment varchar(199) not null, primary key (ps_partkey, ps_suppkey));
create table customer (c_custkey int primary key, c_name varchar(25) not null, c_address varchar(40) not null, c_nationkey int not null,
	c_phone varchar(15) not null, c_acctbal numeric(15,2) not null, c_mktsegment varchar(10) not null, c_comment varchar(117) not null);
create table orders (o_orderkey int primary key, o_custkey int not null, o_orderstatus varchar(1) not null, o_totalprice numeric(15,2) not null,
	o_orderdate date not null, o_orderpriority varchar(15) not null, o_clerk varchar(15) not null, o_shippriority int not null, o_comment varchar(79) not null);
create table lineitem (l_orderkey int not null, l_partkey int not null, l_suppkey int not null, l_linenumber int not null, l_quantity numeric(15,2) not null,
	l_extendedprice numeric(15,2) not null, l_discount numeric(15,2) not null, l_tax numeric(15,2) not null, l_returnflag varchar(1) not null,
	l_linestatus varchar(1) not null, l_shipdate date not null, l_commitdate date not null, l_receiptdate date not null,
	l_shipinstruct varchar(25) not null, l_shipmode varchar(10) not null, l_comment varchar(44) not null, primary key (l_orderkey, l_linenumber));`

var tables = []string{"region", "nation", "supplier", "part", "partsupp", "customer", "orders", "lineitem"}

// The words of clause 4.2.2.13.
var (
	regions = []string{"AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"}
	nations = []struct {
		name   string
		region int
	}{{"ALGERIA", 0}, {"ARGENTINA", 1}, {"BRAZIL", 1}, {"CANADA", 1}, {"EGYPT", 4}, {"ETHIOPIA", 0}, {"FRANCE", 3}, {"GERMANY", 3}, {"INDIA", 2},
		{"INDONESIA", 2}, {"IRAN", 4}, {"IRAQ", 4}, {"JAPAN", 2}, {"JORDAN", 4}, {"KENYA", 0}, {"MOROCCO", 0}, {"MOZAMBIQUE", 0}, {"PERU", 1},
		{"CHINA", 2}, {"ROMANIA", 3}, {"SAUDI ARABIA", 4}, {"VIETNAM", 2}, {"RUSSIA", 3}, {"UNITED KINGDOM", 3}, {"UNITED STATES", 1}}
	colours = strings.Fields("almond antique aquamarine azure beige bisque black blanched blue blush brown burlywood burnished chartreuse chiffon " +
		"chocolate coral cornflower cornsilk cream cyan dark deep dim dodger drab firebrick floral forest frosted gainsboro ghost goldenrod green grey " +
		"honeydew hot indian ivory khaki lace lavender lawn lemon light lime linen magenta maroon medium metallic midnight mint misty moccasin navajo " +
		"navy olive orange orchid pale papaya peach peru pink plum powder puff purple red rose rosy royal saddle salmon sandy seashell sienna sky slate " +
		"smoke snow spring steel tan thistle tomato turquoise violet wheat white yellow")
	typeWords  = [3][]string{strings.Fields("STANDARD SMALL MEDIUM LARGE ECONOMY PROMO"), strings.Fields("ANODIZED BURNISHED PLATED POLISHED BRUSHED"), strings.Fields("TIN NICKEL BRASS STEEL COPPER")}
	containers = [2][]string{strings.Fields("SM LG MED JUMBO WRAP"), strings.Fields("CASE BOX BAG JAR PKG PACK CAN DRUM")}
	segments   = strings.Fields("AUTOMOBILE BUILDING FURNITURE MACHINERY HOUSEHOLD")
	priorities = []string{"1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED", "5-LOW"}
	instructs  = []string{"DELIVER IN PERSON", "COLLECT COD", "NONE", "TAKE BACK RETURN"}
	modes      = []string{"REG AIR", "AIR", "RAIL", "SHIP", "TRUCK", "MAIL", "FOB"}
	words      = strings.Fields("packages requests accounts deposits foxes ideas theodolites pinto beans instructions dependencies excuses platelets " +
		"asymptotes courts dolphins sleep wake nag haggle dazzle cajole boost detect integrate furious sly careful blithe quick fluffy slow quiet ruthless " +
		"thin close special pending unusual express regular final ironic even bold silent about above across after against along among")
)

var (
	firstDay   = time.Date(1992, 1, 1, 0, 0, 0, 0, time.UTC)
	lastOrder  = time.Date(1998, 8, 2, 0, 0, 0, 0, time.UTC)
	currentDay = time.Date(1995, 6, 17, 0, 0, 0, 0, time.UTC)
)

// generator makes the rows of a scale factor.
type generator struct {
	r                          *rand.Rand
	suppliers, parts, customer int
	orders                     int
	out                        map[string]*strings.Builder // COPY text by table
}

func generate(scale float64, seed uint64) map[string]*strings.Builder {
	n := func(base float64) int { return max(10, int(base*scale)) }
	g := &generator{r: rand.New(rand.NewPCG(seed, 42)), suppliers: n(10_000), parts: n(200_000), customer: n(150_000), orders: n(1_500_000),
		out: map[string]*strings.Builder{}}
	for _, t := range tables {
		g.out[t] = &strings.Builder{}
	}
	g.fixed()
	g.supplier()
	g.part()
	g.customers()
	g.order()
	return g.out
}

func (g *generator) row(table string, vals ...any) {
	b := g.out[table]
	for i, v := range vals {
		if i > 0 {
			b.WriteByte('\t')
		}
		fmt.Fprint(b, v)
	}
	b.WriteByte('\n')
}

// between is a number in [lo, hi].
func (g *generator) between(lo, hi int) int { return lo + g.r.IntN(hi-lo+1) }

func (g *generator) pick(list []string) string { return list[g.r.IntN(len(list))] }

func (g *generator) text(least, most int) string {
	var b strings.Builder
	n := g.between(least, most)
	for b.Len() < n {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(g.pick(words))
	}
	return strings.TrimSpace(b.String()[:n])
}

func money(cents int) string {
	sign := ""
	if cents < 0 {
		sign, cents = "-", -cents
	}
	return fmt.Sprintf("%s%d.%02d", sign, cents/100, cents%100)
}

func (g *generator) phone(nation int) string {
	return fmt.Sprintf("%d-%d-%d-%d", nation+10, g.between(100, 999), g.between(100, 999), g.between(1000, 9999))
}

func (g *generator) fixed() {
	for i, r := range regions {
		g.row("region", i, r, g.text(31, 115))
	}
	for i, n := range nations {
		g.row("nation", i, n.name, n.region, g.text(31, 114))
	}
}

func (g *generator) supplier() {
	for i := 1; i <= g.suppliers; i++ {
		nation, comment := g.r.IntN(25), g.text(25, 60)
		switch g.r.IntN(200) { // five of 10,000 each, more here so that small scales have one
		case 0:
			comment += " Customer " + g.pick(words) + " Complaints"
		case 1:
			comment += " Customer " + g.pick(words) + " Recommends"
		}
		g.row("supplier", i, fmt.Sprintf("Supplier#%09d", i), g.text(10, 40), nation, g.phone(nation), money(g.between(-99999, 999999)), comment)
	}
}

func retailPrice(part int) int { return 90000 + (part/10)%20001 + 100*(part%1000) }

// supplierOf is the i-th of the four suppliers of a part.
func (g *generator) supplierOf(part, i int) int {
	return (part+i*(g.suppliers/4+(part-1)/g.suppliers))%g.suppliers + 1
}

func (g *generator) part() {
	for i := 1; i <= g.parts; i++ {
		name := make([]string, 5)
		for j, k := range g.r.Perm(len(colours))[:5] {
			name[j] = colours[k]
		}
		mfgr := g.between(1, 5)
		g.row("part", i, strings.Join(name, " "), fmt.Sprintf("Manufacturer#%d", mfgr), fmt.Sprintf("Brand#%d%d", mfgr, g.between(1, 5)),
			g.pick(typeWords[0])+" "+g.pick(typeWords[1])+" "+g.pick(typeWords[2]), g.between(1, 50), g.pick(containers[0])+" "+g.pick(containers[1]),
			money(retailPrice(i)), g.text(5, 22))
		seen := map[int]bool{}
		for j := range 4 {
			s := g.supplierOf(i, j)
			if seen[s] {
				continue // of very few
			}
			seen[s] = true
			g.row("partsupp", i, s, g.between(1, 9999), money(g.between(100, 100000)), g.text(49, 120))
		}
	}
}

func (g *generator) customers() {
	for i := 1; i <= g.customer; i++ {
		nation := g.r.IntN(25)
		g.row("customer", i, fmt.Sprintf("Customer#%09d", i), g.text(10, 40), nation, g.phone(nation), money(g.between(-99999, 999999)),
			g.pick(segments), g.text(29, 116))
	}
}

func (g *generator) order() {
	day := func(t time.Time) string { return t.Format("2006-01-02") }
	span := int(lastOrder.Sub(firstDay) / (24 * time.Hour))
	for i := range g.orders {
		key := i/8*32 + i%8 + 1
		cust := g.between(1, g.customer)
		if cust%3 == 0 && cust > 1 { // a third of the customers orders nothing
			cust--
		}
		date := firstDay.AddDate(0, 0, g.r.IntN(span+1))
		total, open, lines := 0, 0, g.between(1, 7)
		for l := 1; l <= lines; l++ {
			part := g.between(1, g.parts)
			qty, disc, tax := g.between(1, 50), g.between(0, 10), g.between(0, 8)
			price := qty * retailPrice(part)
			ship := date.AddDate(0, 0, g.between(1, 121))
			commit, receipt := date.AddDate(0, 0, g.between(30, 90)), ship.AddDate(0, 0, g.between(1, 30))
			flag, status := "N", "F"
			if !receipt.After(currentDay) {
				flag = g.pick([]string{"R", "A"})
			}
			if ship.After(currentDay) {
				status = "O"
				open++
			}
			total += price * (100 + tax) / 100 * (100 - disc) / 100
			g.row("lineitem", key, part, g.supplierOf(part, g.r.IntN(4)), l, qty, money(price), money(disc), money(tax), flag, status, day(ship), day(commit),
				day(receipt), g.pick(instructs), g.pick(modes), g.text(10, 43))
		}
		status := map[int]string{0: "F", lines: "O"}[open]
		if status == "" {
			status = "P"
		}
		comment := g.text(19, 60)
		if g.r.IntN(100) == 0 {
			comment = "special " + g.pick(words) + " requests"
		}
		g.row("orders", key, cust, status, money(total), day(date), g.pick(priorities), fmt.Sprintf("Clerk#%09d", g.between(1, max(1, g.orders/1500))), 0, comment)
	}
}

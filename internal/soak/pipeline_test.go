package soak_test

// pipeline sends several requests before it reads the first answer.
func (c *client) pipeline() {
	conn := c.dial("web")
	if conn == nil {
		return
	}
	plans := c.plansInARow()
	sending := startSending(func() error {
		for _, p := range plans {
			if err := p.send(conn, nil); err != nil {
				return err
			}
		}
		return nil
	})
	in := c.reader(conn)
	for _, p := range plans {
		got := p.receive(in, nil)
		if !got.keep {
			got.recognizeReset(sending)
		}
		c.judge(p, got)
		c.count("sessions", "pipelined request")
		if !got.keep {
			break
		}
	}
	conn.Close()
	if !sending.ended() {
		c.stuck("client: no end of a pipeline that begins with %v", plans[0])
	}
}

// plansInARow are for a pipeline. If the connection ends while requests are on
// their way, a reset may destroy what the client has not read yet. So a careful
// client sends what may end the connection last, and a reckless one has no right
// to an answer. Neither sends more than a proxy would read and throw away.
func (c *client) plansInARow() []*plan {
	reckless := c.r.IntN(3) == 0
	var plans []*plan
	history := " (pipelined)"
	for range 2 + c.r.IntN(8) {
		p := c.plan()
		if p.expect = false; p.fate == refused {
			p.fate = fine // of a 417
		}
		if p.minor == 0 && p.reply != length && !reckless {
			p.minor = 1 // where only the connection's end can end it, it takes a reset to look cut
		}
		p.up %= 64 << 10
		p.history = history
		if reckless {
			p.excuse = "in a reckless pipeline"
		}
		plans = append(plans, p)
		if p.mayEnd() && !reckless {
			break
		}
		history += p.brief()
	}
	return plans
}

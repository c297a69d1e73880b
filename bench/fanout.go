package bench

import (
	"fmt"
	"io"
	"slices"
)

// Fanout measures what a delivery costs when a message goes to many streams of
// one channel, beside a bare loop of write calls of the same bytes to as many
// connections. The two take turns, and the ratio is that of each pair: a
// machine's speed drifts, the ratio less so. burst is how many messages are
// published at once; messages must be a multiple of it.
func Fanout(out io.Writer, server []string, streams, burst, messages, pairs int, args ...string) error {
	if burst < 1 || messages < 1 || messages%burst != 0 {
		return fmt.Errorf("%d messages in bursts of %d: want a multiple", messages, burst)
	}
	s, err := StartServer(server, args...)
	if err != nil {
		return err
	}
	defer s.Close()
	c, err := StartChild("client", s.Front, sharedPath)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err = c.Ask("open", "open %d", streams); err != nil {
		return err
	}
	b, bc, err := startBare(streams, sharedPath)
	if err != nil {
		return err
	}
	defer b.Close()
	defer bc.Close()

	name := fmt.Sprintf("fanout, %d streams, bursts of %d", streams, burst)
	var ours, theirs, users, bareUsers, ratios []float64
	sent := 0
	for pair := range pairs + 1 { // the first is a warm-up
		before, err := s.CPU()
		if err != nil {
			return err
		}
		for range messages / burst {
			sent += burst
			if err = s.Publish("bench", burst); err != nil {
				return err
			}
			if _, err = c.Ask("got", "expect %d", sent*streams); err != nil {
				return err
			}
		}
		after, _ := s.CPU()
		bareBefore, err := b.CPU()
		if err != nil {
			return err
		}
		for n := range messages {
			if _, err = b.Ask("wrote", "write 1"); err != nil {
				return err
			}
			if _, err = bc.Ask("got", "expect %d", (pair*messages+n+1)*streams); err != nil {
				return err
			}
		}
		bareAfter, _ := b.CPU()
		if pair == 0 {
			continue
		}
		deliveries := messages * streams
		used, bare := after.Sub(before), bareAfter.Sub(bareBefore)
		ours, theirs = append(ours, micros(used.All, deliveries)), append(theirs, micros(bare.All, deliveries))
		users, bareUsers = append(users, micros(used.User, deliveries)), append(bareUsers, micros(bare.User, deliveries))
		ratios = append(ratios, float64(used.All)/float64(bare.All))
		fmt.Fprintf(out, "%s: %.2f µs a delivery (%.2f user), bare loop %.2f (%.2f): ratio %.3f\n", name,
			ours[pair-1], users[pair-1], theirs[pair-1], bareUsers[pair-1], ratios[pair-1])
	}
	fmt.Fprintf(out, "%s: medians of %d pairs: %.2f µs a delivery (%.2f user), bare loop %.2f (%.2f): ratio %.3f\n", name, pairs,
		median(ours), median(users), median(theirs), median(bareUsers), median(ratios))
	return nil
}

func startBare(streams int, path string) (b, client *Child, err error) {
	if b, err = StartChild("bare"); err != nil {
		return nil, nil, err
	}
	address, err := b.Hear("address")
	if err != nil {
		return nil, nil, err
	}
	if client, err = StartChild("client", address, path); err != nil {
		return nil, nil, err
	}
	if err = b.Tell("accept %d", streams); err != nil {
		return nil, nil, err
	}
	if _, err = client.Ask("open", "open %d", streams); err != nil {
		return nil, nil, err
	}
	_, err = b.Hear("accepted")
	return b, client, err
}

func median(v []float64) float64 {
	sorted := slices.Sorted(slices.Values(v))
	return sorted[len(sorted)/2]
}

// Channels measures what a publish and its one delivery cost over many
// channels of one subscriber each, beside a bare program that reads the
// request, writes to one socket and answers.
func Channels(out io.Writer, server []string, channels, connections, messages, pairs int, args ...string) error {
	s, err := StartServer(server, args...)
	if err != nil {
		return err
	}
	defer s.Close()
	c, err := StartChild("client", s.Front, ownPath)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err = c.Ask("open", "open %d", channels); err != nil {
		return err
	}
	p, err := startPublisher(s.Admin, channels, connections)
	if err != nil {
		return err
	}
	defer p.Close()
	b, bc, err := startBare(channels, ownPath)
	if err != nil {
		return err
	}
	defer b.Close()
	defer bc.Close()
	if err = b.Tell("serve"); err != nil {
		return err
	}
	bareAddress := bc.cmd.Args[2]
	bp, err := startPublisher(bareAddress, channels, connections)
	if err != nil {
		return err
	}
	defer bp.Close()

	name := fmt.Sprintf("channels, %d of one subscriber, %d publishing connections", channels, connections)
	measure := func(of Process, p, c *Child, total int) (float64, error) {
		before, err := of.CPU()
		if err != nil {
			return 0, err
		}
		if err = c.Tell("expect %d", total); err != nil {
			return 0, err
		}
		if _, err = p.Ask("published", "publish %d", messages); err != nil {
			return 0, err
		}
		if _, err = c.Hear("got"); err != nil {
			return 0, err
		}
		after, err := of.CPU()
		return micros(after.Sub(before).All, messages), err
	}
	var ours, theirs, ratios []float64
	for pair := range pairs + 1 {
		total := (pair + 1) * messages
		mine, err := measure(s.Process, p, c, total)
		if err != nil {
			return err
		}
		bare, err := measure(b.Process, bp, bc, total)
		if err != nil {
			return err
		}
		if pair == 0 {
			continue
		}
		ours, theirs, ratios = append(ours, mine), append(theirs, bare), append(ratios, mine/bare)
		fmt.Fprintf(out, "%s: %.2f µs a publish with its delivery, bare program %.2f: ratio %.3f\n", name, mine, bare, mine/bare)
	}
	fmt.Fprintf(out, "%s: medians of %d pairs: %.2f µs, bare program %.2f: ratio %.3f\n", name, pairs, median(ours), median(theirs), median(ratios))
	return nil
}

func startPublisher(address string, channels, connections int) (*Child, error) {
	return StartChild("publisher", address, publishPath, fmt.Sprint(channels), fmt.Sprint(connections))
}

package main

import "runtime"

// dice is xorshift64*, as in the other subjects.
type dice uint64

func newDice(seed int) *dice {
	d := dice((uint64(seed)+1)*0x9E3779B97F4A7C15 | 1)
	return &d
}

func (d *dice) below(end int) int {
	x := uint64(*d)
	x ^= x >> 12
	x ^= x << 25
	x ^= x >> 27
	*d = dice(x)
	return int((x * 0x2545F4914F6CDD1D >> 33) % uint64(end))
}

func (d *dice) share() float64 {
	return float64(d.below(1<<30)) / float64(1<<30)
}

// big: channels hold every ping that can be under way, so that nobody waits for room.
func big(n, k int) int {
	const pong = -1
	inboxes := make([]chan int, k)
	for i := range inboxes {
		inboxes[i] = make(chan int, 2*k)
	}
	done := make(chan int, k)
	for i := range inboxes {
		index, inbox := i, inboxes[i]
		go func() {
			d, pongs := newDice(index), 0
			inboxes[d.below(k)] <- index
			for mail := range inbox {
				if mail != pong {
					inboxes[mail] <- pong
					continue
				}
				pongs++
				if pongs == n {
					done <- pongs
				} else {
					inboxes[d.below(k)] <- index
				}
			}
		}()
	}
	sum := 0
	for range inboxes {
		sum += <-done
	}
	for _, inbox := range inboxes {
		close(inbox)
	}
	return sum
}

type visit struct {
	colour   int
	creature chan int
	meetings int
}

func chameneos(n, k int) int {
	const over = -1
	place := make(chan visit, mailbox)
	for i := 0; i < k; i++ {
		colour := i % 3
		go func() {
			me, meetings := make(chan int, 1), 0
			for {
				place <- visit{colour, me, 0}
				other := <-me
				if other == over {
					break
				}
				meetings++
				if colour != other {
					colour = 3 - colour - other
				}
			}
			place <- visit{0, nil, meetings}
		}()
	}
	met, told, sum := 0, 0, 0
	var waiting *visit
	for told < k {
		v := <-place
		switch {
		case v.creature == nil:
			told++
			sum += v.meetings
		case met == n:
			v.creature <- over
		case waiting == nil:
			visitor := v
			waiting = &visitor
		default:
			waiting.creature <- v.colour
			v.creature <- waiting.colour
			waiting = nil
			met++
		}
		if met == n && waiting != nil {
			waiting.creature <- over
			waiting = nil
		}
	}
	return sum
}

type order struct {
	target chan order // nil: a credit
	from   chan int
}

func bank(n, k, tellers int) int {
	accounts := make([]chan order, k)
	for i := range accounts {
		account := make(chan order, mailbox)
		accounts[i] = account
		go func() {
			balance := n
			answer := make(chan int, 1)
			for o := range account {
				if o.target == nil {
					balance++
					o.from <- 1
				} else {
					balance--
					o.target <- order{nil, answer}
					o.from <- await(answer)
				}
			}
		}()
	}
	next := make(chan int, tellers)
	for i := 0; i < tellers; i++ {
		next <- i
	}
	moved := sideBySide(tellers, func() int {
		d, moved := newDice(<-next), 0
		from := make(chan int, 1)
		for i := 0; i < n/tellers; i++ {
			source := d.below(k - 1)
			target := source + 1 + d.below(k-1-source)
			accounts[source] <- order{accounts[target], from}
			moved += await(from)
		}
		return moved
	})
	for _, account := range accounts {
		close(account)
	}
	return moved
}

// sieve: a channel that is closed is the end of numbers.
func sieve(n, k int) int {
	done := make(chan int, 1)
	first := make(chan int, mailbox)
	go filter(k, 0, first, done)
	for number := 2; number < n; number++ {
		first <- number
	}
	close(first)
	return <-done
}

func filter(k, before int, inbox chan int, done chan int) {
	primes := make([]int, 0, k)
	var next chan int
numbers:
	for number := range inbox {
		for _, prime := range primes {
			if number%prime == 0 {
				continue numbers
			}
		}
		if len(primes) < k {
			primes = append(primes, number)
			continue
		}
		if next == nil {
			next = make(chan int, mailbox)
			go filter(k, before+len(primes), next, done)
		}
		next <- number
	}
	if next == nil {
		done <- before + len(primes)
	} else {
		close(next)
	}
}

type hunger struct {
	seat int
	from chan bool // nil: full
}

func philosophers(n, k int) int {
	waiter := make(chan hunger, mailbox)
	go func() {
		taken := make([]bool, k)
		for h := range waiter {
			right := (h.seat + 1) % k
			if h.from == nil {
				taken[h.seat], taken[right] = false, false
				continue
			}
			both := !taken[h.seat] && !taken[right]
			if both {
				taken[h.seat], taken[right] = true, true
			}
			h.from <- both
		}
	}()
	seats := make(chan int, k)
	for seat := 0; seat < k; seat++ {
		seats <- seat
	}
	meals := sideBySide(k, func() int {
		seat, meals := <-seats, 0
		from := make(chan bool, 1)
		for meals < n {
			waiter <- hunger{seat, from}
			if <-from {
				meals++
				waiter <- hunger{seat, nil}
			} else {
				runtime.Gosched()
			}
		}
		return meals
	})
	close(waiter)
	return meals
}

func compute(n, k int) int {
	done := make(chan float64, k)
	for part := 0; part < k; part++ {
		from := part * (n / k)
		go func() {
			width, sum := 1/float64(n), 0.0
			for piece := from; piece < from+n/k; piece++ {
				x := (float64(piece) + 0.5) * width
				sum += 4 / (1 + x*x)
			}
			done <- sum * width
		}()
	}
	sum := 0.0
	for part := 0; part < k; part++ {
		sum += <-done
	}
	return int(sum * 1000)
}

package main

import (
	"time"
)

const mailbox = 1024

// words is a message by value: 8, 64, 400, 1,024 or 8,000 bytes.
type words interface {
	[1]uint64 | [8]uint64 | [50]uint64 | [128]uint64 | [1000]uint64
}

type kind int

const (
	add kind = iota
	cast
	get
)

type request[W words] struct {
	kind kind
	load W
	from chan int
}

// start starts a server that adds; it ends when its channel is closed.
func start[W words]() chan request[W] {
	server := make(chan request[W], mailbox)
	go func() {
		sum := 0
		for r := range server {
			switch r.kind {
			case add:
				sum += first(&r.load)
				r.from <- first(&r.load)
			case cast:
				sum += first(&r.load)
			case get:
				r.from <- sum
			}
		}
	}()
	return server
}

func first[W words](load *W) int {
	switch load := any(load).(type) {
	case *[1]uint64:
		return int(load[0])
	case *[8]uint64:
		return int(load[0])
	case *[50]uint64:
		return int(load[0])
	case *[128]uint64:
		return int(load[0])
	case *[1000]uint64:
		return int(load[0])
	}
	return 0
}

func one[W words]() W {
	var load W
	switch load := any(&load).(type) {
	case *[1]uint64:
		load[0] = 1
	case *[8]uint64:
		load[0] = 1
	case *[50]uint64:
		load[0] = 1
	case *[128]uint64:
		load[0] = 1
	case *[1000]uint64:
		load[0] = 1
	}
	return load
}

func calls[W words](n int, limited bool) int {
	server := start[W]()
	defer close(server)
	return callsTo(server, n, limited)
}

func callsTo[W words](server chan request[W], n int, limited bool) int {
	from := make(chan int, 1)
	load := one[W]()
	sum := 0
	for i := 0; i < n; i++ {
		server <- request[W]{add, load, from}
		if limited {
			sum += await(from)
		} else {
			sum += <-from
		}
	}
	return sum
}

func await(from chan int) int {
	timer := time.NewTimer(5 * time.Second)
	defer timer.Stop()
	select {
	case answer := <-from:
		return answer
	case <-timer.C:
		panic("no answer in time")
	}
}

func casts[W words](n, burst int) int {
	server := start[W]()
	defer close(server)
	from := make(chan int, 1)
	load := one[W]()
	sum := 0
	for i := 0; i < n/burst; i++ {
		for j := 0; j < burst; j++ {
			server <- request[W]{cast, load, nil}
		}
		server <- request[W]{get, load, from}
		sum = <-from
	}
	return sum
}

func pingPong(n int) int {
	ping, pong := make(chan int, mailbox), make(chan int, mailbox)
	go func() {
		for message := range ping {
			pong <- message
		}
	}()
	sum := 0
	for i := 0; i < n; i++ {
		ping <- 1
		sum += <-pong
	}
	close(ping)
	return sum
}

func fanIn(n, k int) int {
	inbox := make(chan int, mailbox)
	for i := 0; i < k; i++ {
		go func() {
			for j := 0; j < n/k; j++ {
				inbox <- 1
			}
		}()
	}
	sum := 0
	for i := 0; i < n/k*k; i++ {
		sum += <-inbox
	}
	return sum
}

func fanOut(n, k int) int {
	receivers := make([]chan int, k)
	done := make(chan int, k)
	for i := range receivers {
		inbox := make(chan int, mailbox)
		receivers[i] = inbox
		go func() {
			sum := 0
			for j := 0; j < n; j++ {
				sum += <-inbox
			}
			done <- sum
		}()
	}
	for i := 0; i < n; i++ {
		for _, receiver := range receivers {
			receiver <- 1
		}
	}
	sum := 0
	for range receivers {
		sum += <-done
	}
	return sum
}

func ring(n, k, tokens int) (int, time.Duration, time.Duration) {
	nodes := make([]chan int, k)
	for i := range nodes {
		nodes[i] = make(chan int, 1+tokens)
	}
	done := make(chan struct{}, tokens)
	stop := make(chan struct{})
	for i := range nodes {
		inbox, next := nodes[i], nodes[(i+1)%k]
		go func() {
			for left := range inbox {
				if left == 0 {
					done <- struct{}{}
				} else {
					next <- left - 1
				}
			}
			stop <- struct{}{}
		}()
	}
	begun, used := time.Now(), cpu()
	for token := 0; token < tokens; token++ {
		nodes[token*k/tokens] <- n / tokens
	}
	for token := 0; token < tokens; token++ {
		<-done
	}
	wall, spent := time.Since(begun), cpu()-used
	for _, node := range nodes {
		close(node)
	}
	for range nodes {
		<-stop
	}
	return n / tokens * tokens, wall, spent
}

package main

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

func timerCancel(n int) int {
	cancelled := 0
	for i := 0; i < n; i++ {
		timer := time.AfterFunc(5*time.Second, func() {})
		if timer.Stop() {
			cancelled++
		}
	}
	return cancelled
}

func timerFire(n int) string {
	inbox := make(chan time.Duration, mailbox)
	d := newDice(1)
	begun := time.Now().Add(50*time.Millisecond + time.Duration(n/500)*time.Millisecond)
	for i := 0; i < n; i++ {
		due := begun.Add(time.Duration(d.below(1_000_000)) * time.Microsecond)
		time.AfterFunc(time.Until(due), func() { inbox <- time.Since(due) })
	}
	late := make([]time.Duration, n)
	for i := range late {
		late[i] = <-inbox
	}
	return latencies(late)
}

func ticks(n int, period time.Duration) []time.Duration {
	late := make([]time.Duration, n)
	for i := range late {
		due := time.Now().Add(period)
		time.Sleep(period)
		late[i] = time.Since(due)
	}
	return late
}

func gather(k int, body func() []time.Duration) string {
	done := make(chan []time.Duration, k)
	for i := 0; i < k; i++ {
		go func() { done <- body() }()
	}
	var all []time.Duration
	for i := 0; i < k; i++ {
		all = append(all, <-done...)
	}
	return latencies(all)
}

func timerInterval(n, k int) string {
	return gather(k, func() []time.Duration { return ticks(n, time.Millisecond) })
}

// blocked: the blocking call is a real one, of the system, of which Go's scheduler is told.
func blocked(n, k, m int) string {
	until := time.Now().Add(time.Duration(n) * time.Millisecond)
	var over int32
	go func() {
		for atomic.LoadInt32(&over) == 0 {
			time.Sleep(time.Duration(m) * time.Millisecond)
			pause := syscall.NsecToTimespec((100 * time.Millisecond).Nanoseconds())
			_ = syscall.Nanosleep(&pause, nil)
		}
	}()
	defer atomic.StoreInt32(&over, 1)
	return gather(k, func() []time.Duration {
		var late []time.Duration
		for time.Now().Before(until) {
			late = append(late, ticks(1, time.Millisecond)...)
		}
		return late
	})
}

func openLoop(n, k, m int) string {
	servers := make([]chan request[[1]uint64], k)
	for i := range servers {
		servers[i] = start[[1]uint64]()
	}
	done := make(chan time.Duration, mailbox)
	total := make(chan int, 1)
	go func() {
		d := newDice(7)
		mean := 1e9 / (200_000 * float64(m) / 100)
		begun, at, sent := time.Now(), 0.0, 0
		for at < float64(n)*1e6 {
			intended := begun.Add(time.Duration(at))
			for time.Now().Before(intended) {
				runtime.Gosched()
			}
			server := servers[d.below(k)]
			go func() {
				from := make(chan int, 1)
				server <- request[[1]uint64]{add, [1]uint64{1}, from}
				await(from)
				done <- time.Since(intended)
			}()
			sent++
			at -= mean * math.Log(1-d.share())
		}
		total <- sent
	}()
	var all []time.Duration
	sent := -1
	for sent != len(all) {
		select {
		case sent = <-total:
		case latency := <-done:
			all = append(all, latency)
		}
	}
	return latencies(all)
}

func hogs(k int) func() {
	var over int32
	for i := 0; i < k; i++ {
		go func() {
			for atomic.LoadInt32(&over) == 0 {
				runtime.Gosched()
			}
		}()
	}
	return func() { atomic.StoreInt32(&over, 1) }
}

// resident asks the system, as in the other subjects.
func resident() int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for _, line := range strings.Split(string(status), "\n") {
		if strings.HasPrefix(line, "VmRSS:") {
			kilobytes, _ := strconv.Atoi(strings.Fields(line)[1])
			return kilobytes * 1024
		}
	}
	return 0
}

func idleGoroutines(n int) {
	running := make(chan struct{}, mailbox)
	forever := make(chan struct{})
	for i := 0; i < n; i++ {
		go func() {
			running <- struct{}{}
			<-forever
		}()
	}
	for i := 0; i < n; i++ {
		<-running
	}
}

func bytes(n int, grow func()) string {
	before := resident()
	grow()
	first := resident()
	grow()
	second := resident()
	return fmt.Sprintf("ok bytes=%d more=%d", (first-before)/n, (second-first)/n)
}

func plainBytes(n int) string {
	return bytes(n, func() { idleGoroutines(n) })
}

// serverBytes: a mailbox for one message, the smallest that is not a rendezvous.
func serverBytes(n int) string {
	all := make([]chan request[[1]uint64], 0, 2*n)
	answer := make(chan int, 1)
	text := bytes(n, func() {
		for i := 0; i < n; i++ {
			server := make(chan request[[1]uint64], 1)
			go func() {
				sum := 0
				for r := range server {
					sum += int(r.load[0])
					r.from <- sum
				}
			}()
			server <- request[[1]uint64]{add, [1]uint64{1}, answer}
			<-answer
			all = append(all, server)
		}
	})
	runtime.KeepAlive(all)
	return text
}

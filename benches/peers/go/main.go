// Go as a peer: a goroutine per process, a channel as its mailbox, as "Effective Go" has it.
//
// Go's channels are bounded; those that stand for mailboxes here hold 1,024, answers hold one.
// A call's timeout is a time.Timer in a select, stopped after the answer. There are no monitors,
// links and supervisors, and nothing from outside of the runtime: those have no figure.
//
// Ends are counted per batch of 100: the one that ends last sends one message, so that no counter
// is shared by all. The program is told SYSTEM BENCHMARK WORKERS MILLIS N K M and answers with one
// line; what a pass is, the catalogue in ../../protocol says.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"syscall"
	"time"
)

type task struct {
	benchmark string
	workers   int
	atLeast   time.Duration
	n, k, m   int
}

func main() {
	runtime.LockOSThread() // The main thread only waits: the driver is a goroutine as any other.
	if len(os.Args) != 8 {
		fmt.Println("failed usage: SYSTEM BENCHMARK WORKERS MILLIS N K M")
		os.Exit(1)
	}
	var numbers [5]int
	for i := range numbers {
		number, err := strconv.Atoi(os.Args[3+i])
		if err != nil {
			fmt.Println("failed", os.Args[3+i], "is not a number")
			os.Exit(1)
		}
		numbers[i] = number
	}
	t := task{os.Args[2], numbers[0], time.Duration(numbers[1]) * time.Millisecond,
		numbers[2], numbers[3], numbers[4]}
	runtime.GOMAXPROCS(t.workers)
	if t.k == 0 {
		t.k = t.workers
	}
	answer := make(chan string)
	go func() { answer <- measure(t) }()
	fmt.Println(<-answer)
}

func cpu() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// repeat does one pass to warm up, then passes until the time has gone by.
func repeat(t task, pass func() int) string {
	return repeatTimed(t, func() (int, time.Duration, time.Duration) {
		begun, used := time.Now(), cpu()
		sum := pass()
		return sum, time.Since(begun), cpu() - used
	})
}

// repeatTimed is for passes that have parts outside of the clocks.
func repeatTimed(t task, pass func() (int, time.Duration, time.Duration)) string {
	pass()
	passes, sum := 0, 0
	var wall, used time.Duration
	begun := time.Now()
	for passes == 0 || time.Since(begun) < t.atLeast {
		s, w, u := pass()
		passes++
		sum += s
		wall += w
		used += u
	}
	return fmt.Sprintf("ok passes=%d wall_ns=%d cpu_ns=%d sum=%d", passes, wall.Nanoseconds(),
		used.Nanoseconds(), sum)
}

func latencies(all []time.Duration) string {
	if len(all) == 0 {
		return "failed no latencies"
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	at := func(share float64) int64 {
		index := int(float64(len(all)) * share)
		if index >= len(all) {
			index = len(all) - 1
		}
		return all[index].Nanoseconds()
	}
	return fmt.Sprintf("ok count=%d p50=%d p99=%d p999=%d max=%d", len(all), at(0.5), at(0.99),
		at(0.999), at(1))
}

func measure(t task) string {
	n, k, m := t.n, t.k, t.m
	switch t.benchmark {
	case "spawn_exit_batch":
		return repeat(t, func() int { return spawnBatches(n, k) })
	case "spawn_exit_burst":
		return repeat(t, func() int { return spawnBurst(n) })
	case "spawn_chain":
		return repeat(t, func() int { return spawnChain(n) })
	case "spawn_par", "spawn_par_one":
		return repeat(t, func() int { return spawnParallel(n, k) })
	case "skynet":
		return repeat(t, func() int { return skynet(n, k) })
	case "ping_pong", "ping_pong_pairs":
		return repeat(t, func() int { return sideBySide(k, func() int { return pingPong(n) }) })
	case "call":
		return repeat(t, func() int { return calls[[1]uint64](n, true) })
	case "call_400":
		return repeat(t, func() int { return calls[[50]uint64](n, true) })
	case "call_8000":
		return repeat(t, func() int { return calls[[1000]uint64](n, true) })
	case "call_no_timeout":
		return repeat(t, func() int { return calls[[1]uint64](n, false) })
	case "call_pairs":
		return repeat(t, func() int {
			return sideBySide(k, func() int { return calls[[1]uint64](n, true) })
		})
	case "call_many":
		return repeat(t, func() int {
			server := start[[1]uint64]()
			defer close(server)
			return sideBySide(k, func() int { return callsTo(server, n, true) })
		})
	case "cast":
		return repeat(t, func() int { return casts[[1]uint64](n, n) })
	case "cast_64":
		return repeat(t, func() int { return casts[[8]uint64](n, n) })
	case "cast_1024":
		return repeat(t, func() int { return casts[[128]uint64](n, n) })
	case "cast_bursts":
		return repeat(t, func() int { return casts[[1]uint64](n, k) })
	case "fan_in_2", "fan_in_100", "fan_in_1000":
		return repeat(t, func() int { return fanIn(n, k) })
	case "fan_out":
		return repeat(t, func() int { return fanOut(n, k) })
	case "ring", "ring_100", "ring_100k", "ring_tokens":
		return repeatTimed(t, func() (int, time.Duration, time.Duration) { return ring(n, k, m) })
	case "big":
		return repeat(t, func() int { return big(n, k) })
	case "chameneos":
		return repeat(t, func() int { return chameneos(n, k) })
	case "bank":
		return repeat(t, func() int { return bank(n, k, m) })
	case "sieve":
		return repeat(t, func() int { return sieve(n, k) })
	case "philosophers":
		return repeat(t, func() int { return philosophers(n, k) })
	case "estone_server":
		return repeat(t, func() int {
			sum := 0
			for i := 0; i < n; i++ {
				sum += calls[[1]uint64](k, true)
			}
			return sum
		})
	case "timer_cancel":
		return repeat(t, func() int { return timerCancel(n) })
	case "timer_fire":
		return timerFire(n)
	case "timer_interval":
		return timerInterval(n, k)
	case "plain":
		return plainBytes(n)
	case "server":
		return serverBytes(n)
	case "hog":
		stop := hogs(t.workers)
		defer stop()
		return repeat(t, func() int { return pingPong(n) })
	case "blocked":
		return blocked(n, k, m)
	case "open_loop_20", "open_loop_50", "open_loop_80":
		return openLoop(n, k, m)
	case "idle":
		idleGoroutines(n)
		time.Sleep(100 * time.Millisecond)
		used := cpu()
		time.Sleep(time.Duration(k) * time.Millisecond)
		return fmt.Sprintf("ok cpu_ns=%d", (cpu() - used).Nanoseconds())
	case "compute":
		return repeat(t, func() int { return compute(n, k) })
	}
	return "unsupported no such thing, or not written for this peer"
}

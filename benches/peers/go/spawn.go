package main

import (
	"runtime"
	"sync/atomic"
)

// batch counts the ends of up to 100 goroutines on a cache line of its own.
type batch struct {
	left int64
	_    [56]byte
	done chan struct{}
	_    [56]byte
}

func (b *batch) end() {
	if atomic.AddInt64(&b.left, -1) == 0 {
		b.done <- struct{}{}
	}
}

func spawnBatches(n, k int) int {
	done := make(chan struct{}, 1)
	b := &batch{done: done}
	for i := 0; i < n; i++ {
		b.left = int64(k)
		for j := 0; j < k; j++ {
			go b.end()
		}
		<-done
	}
	return n * k
}

func spawnBurst(n int) int {
	batches := make([]batch, (n+99)/100)
	done := make(chan struct{}, len(batches))
	for i := range batches {
		size := 100
		if i == len(batches)-1 {
			size = n - 100*i
		}
		b := &batches[i]
		b.left, b.done = int64(size), done
		for j := 0; j < size; j++ {
			go b.end()
		}
	}
	for range batches {
		<-done
	}
	return n
}

func spawnChain(n int) int {
	done := make(chan int, 1)
	go link(1, n, done)
	return <-done
}

func link(depth, n int, done chan int) {
	if depth == n {
		done <- depth
	} else {
		go link(depth+1, n, done)
	}
}

func spawnParallel(n, k int) int {
	return sideBySide(k, func() int {
		batches := make([]batch, n/100)
		done := make(chan struct{}, len(batches))
		for i := range batches {
			b := &batches[i]
			b.left, b.done = 100, done
			for j := 0; j < 100; j++ {
				go b.end()
			}
			runtime.Gosched()
		}
		for range batches {
			<-done
		}
		return n / 100 * 100
	})
}

// sideBySide runs k goroutines and adds up what they give.
func sideBySide(k int, body func() int) int {
	done := make(chan int, k)
	for i := 0; i < k; i++ {
		go func() { done <- body() }()
	}
	sum := 0
	for i := 0; i < k; i++ {
		sum += <-done
	}
	return sum
}

func skynet(n, k int) int {
	root := make(chan int, 1)
	go node(0, n, k, root)
	return <-root
}

func node(number, leaves, k int, parent chan int) {
	if leaves == 1 {
		parent <- number
		return
	}
	inbox := make(chan int, k)
	below := leaves / k
	for child := 0; child < k; child++ {
		go node(number+child*below, below, k, inbox)
	}
	sum := 0
	for i := 0; i < k; i++ {
		sum += <-inbox
	}
	parent <- sum
}

module rekindle-bench-peer

go 1.19

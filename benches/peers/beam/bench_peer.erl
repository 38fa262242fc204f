%% BEAM as a peer: processes, gen_server, supervisor, as OTP's own documentation has them.
%%
%% The program is told SYSTEM BENCHMARK WORKERS MILLIS N K M and answers with one line; what a pass
%% is, the catalogue in ../../protocol says. The driver is a process as any other. Ends are counted
%% by `counters' with write_concurrency, of which each scheduler has its own. There are no threads
%% outside and no blocking handlers here: those have no figure.
-module(bench_peer).
-export([main/1]).

main([_System, Name | Numbers]) ->
    [Workers, Millis, N, K0, M] = [list_to_integer(Text) || Text <- Numbers],
    K = case K0 of 0 -> Workers; _ -> K0 end,
    Self = self(),
    {Driver, Monitor} = spawn_monitor(fun() -> Self ! {answer, measure(Name, Millis, N, K, M)} end),
    Text = receive
        {answer, Answer} -> Answer;
        {'DOWN', Monitor, process, Driver, Reason} ->
            ["failed ", [C || C <- lists:flatten(io_lib:format("~0p", [Reason])), C =/= $\n]]
    end,
    io:put_chars([Text, $\n]),
    halt().

measure(Name, Millis, N, K, M) ->
    Repeat = fun(Pass) -> repeat(Millis, Pass) end,
    case Name of
        "spawn_exit_batch" -> Repeat(fun() -> spawn_batches(N, K) end);
        "spawn_exit_burst" -> Repeat(fun() -> spawn_batches(1, N) end);
        "spawn_chain" -> Repeat(fun() -> spawn_chain(N) end);
        "spawn_par" -> Repeat(fun() -> spawn_parallel(N, K) end);
        "spawn_par_one" -> Repeat(fun() -> spawn_parallel(N, K) end);
        "spawn_monitor" -> Repeat(fun() -> spawn_monitored(N, 0) end);
        "server_start_stop" -> Repeat(fun() -> start_stop(N, 0) end);
        "dynamic_child" ->
            {ok, Jobs} = bench_adders:start_link(),
            Repeat(fun() -> child_start_stop(Jobs, N, 0) end);
        "skynet" -> Repeat(fun() -> skynet(N, K) end);
        "ping_pong" -> Repeat(fun() -> side_by_side(K, fun(_) -> ping_pong(N) end) end);
        "ping_pong_pairs" -> Repeat(fun() -> side_by_side(K, fun(_) -> ping_pong(N) end) end);
        "call" -> Repeat(fun() -> calls(N, words(M), 5000) end);
        "call_400" -> Repeat(fun() -> calls(N, words(M), 5000) end);
        "call_8000" -> Repeat(fun() -> calls(N, words(M), 5000) end);
        "call_no_timeout" -> Repeat(fun() -> calls(N, words(M), infinity) end);
        "call_pairs" ->
            Repeat(fun() -> side_by_side(K, fun(_) -> calls(N, words(M), 5000) end) end);
        "call_many" ->
            {ok, Server} = bench_adder:start(),
            Call = fun(_) -> calls_to(Server, N, words(M), 5000, 0) end,
            Repeat(fun() -> side_by_side(K, Call) end);
        "cast" -> Repeat(fun() -> casts(N, N, words(M)) end);
        "cast_64" -> Repeat(fun() -> casts(N, N, words(M)) end);
        "cast_1024" -> Repeat(fun() -> casts(N, N, words(M)) end);
        "cast_bursts" -> Repeat(fun() -> casts(N, K, words(M)) end);
        "fan_in_2" -> Repeat(fun() -> fan_in(N, K) end);
        "fan_in_100" -> Repeat(fun() -> fan_in(N, K) end);
        "fan_in_1000" -> Repeat(fun() -> fan_in(N, K) end);
        "fan_out" -> Repeat(fun() -> fan_out(N, K) end);
        "ring" -> repeat_timed(Millis, fun() -> ring(N, K, M) end);
        "ring_100" -> repeat_timed(Millis, fun() -> ring(N, K, M) end);
        "ring_100k" -> repeat_timed(Millis, fun() -> ring(N, K, M) end);
        "ring_tokens" -> repeat_timed(Millis, fun() -> ring(N, K, M) end);
        "big" -> Repeat(fun() -> big(N, K) end);
        "chameneos" -> Repeat(fun() -> chameneos(N, K) end);
        "bank" -> Repeat(fun() -> bank(N, K, M) end);
        "sieve" -> Repeat(fun() -> sieve(N, K) end);
        "philosophers" -> Repeat(fun() -> philosophers(N, K) end);
        "estone_small" -> Repeat(fun() -> relays(N, K, M) end);
        "estone_medium" -> Repeat(fun() -> relays(N, K, M) end);
        "estone_huge" -> Repeat(fun() -> relays(N, K, M) end);
        "estone_server" -> Repeat(fun() -> sum(N, fun() -> calls(K, {1}, 5000) end, 0) end);
        "estone_links" -> Repeat(fun() -> links(N, K) end);
        "ubench" -> Repeat(fun() -> ubench(N, K, M) end);
        "timer_cancel" -> Repeat(fun() -> timer_cancel(N, 0) end);
        "timer_fire" -> timer_fire(N);
        "timer_interval" -> timer_interval(N, K);
        "plain" -> bytes(N, fun() -> idle(N) end);
        "server" -> bytes(N, fun() -> servers(N, []) end);
        "supervised" ->
            {ok, Jobs} = bench_adders:start_link(),
            bytes(N, fun() -> children(Jobs, N) end);
        "hog" ->
            Hogs = [spawn(fun hog/0) || _ <- lists:seq(1, erlang:system_info(schedulers))],
            Answer = Repeat(fun() -> ping_pong(N) end),
            [exit(Hog, kill) || Hog <- Hogs],
            Answer;
        "open_loop_" ++ _ -> open_loop(N, K, M);
        "idle" ->
            idle(N),
            receive after 100 -> ok end,
            Before = cpu(),
            receive after K -> ok end,
            io_lib:format("ok cpu_ns=~b", [cpu() - Before]);
        _ -> "unsupported no such thing, or not written for this peer"
    end.

%% Clocks and passes.

wall() -> erlang:monotonic_time(nanosecond).

%% The processor time of all threads, which BEAM tells in milliseconds.
cpu() ->
    {Total, _} = statistics(runtime),
    Total * 1000000.

repeat(Millis, Pass) ->
    repeat_timed(Millis, fun() ->
        {Wall, Cpu} = {wall(), cpu()},
        Sum = Pass(),
        {Sum, wall() - Wall, cpu() - Cpu}
    end).

repeat_timed(Millis, Pass) ->
    Pass(),
    repeat_timed(Pass, wall() + Millis * 1000000, 0, 0, 0, 0).

repeat_timed(Pass, Until, Passes, Sum, Wall, Cpu) ->
    case Passes > 0 andalso wall() >= Until of
        true ->
            io_lib:format("ok passes=~b wall_ns=~b cpu_ns=~b sum=~b", [Passes, Wall, Cpu, Sum]);
        false ->
            {S, W, C} = Pass(),
            repeat_timed(Pass, Until, Passes + 1, Sum + S, Wall + W, Cpu + C)
    end.

latencies(All) ->
    Sorted = list_to_tuple(lists:sort(All)),
    Count = tuple_size(Sorted),
    At = fun(Share) -> element(min(Count, trunc(Count * Share) + 1), Sorted) end,
    io_lib:format("ok count=~b p50=~b p99=~b p999=~b max=~b",
                  [Count, At(0.5), At(0.99), At(0.999), At(1)]).

sum(0, _, Sum) -> Sum;
sum(N, Give, Sum) -> sum(N - 1, Give, Sum + Give()).

side_by_side(K, Body) ->
    Parent = self(),
    [spawn(fun() -> Parent ! {sum, Body(I)} end) || I <- lists:seq(1, K)],
    gather(K).

gather(K) -> sum(K, fun() -> receive {sum, Sum} -> Sum end end, 0).

words(Bytes) -> erlang:make_tuple(Bytes div 8, 1).

%% xorshift64*, as in the other subjects.

-define(WORD, 16#FFFFFFFFFFFFFFFF).

dice(Seed) -> (((Seed + 1) * 16#9E3779B97F4A7C15) band ?WORD) bor 1.

below(X0, End) ->
    X1 = X0 bxor (X0 bsr 12),
    X2 = X1 bxor ((X1 bsl 25) band ?WORD),
    X3 = X2 bxor (X2 bsr 27),
    {((X3 * 16#2545F4914F6CDD1D band ?WORD) bsr 33) rem End, X3}.

%% Spawning.

spawn_batches(N, K) ->
    Ends = counters:new(1, [write_concurrency]),
    spawn_batches(Ends, 1, N, K).

spawn_batches(Ends, Batch, N, _) when Batch > N -> counters:get(Ends, 1);
spawn_batches(Ends, Batch, N, K) ->
    spawn_counted(Ends, K),
    counted_to(Ends, Batch * K),
    spawn_batches(Ends, Batch + 1, N, K).

spawn_counted(_, 0) -> ok;
spawn_counted(Ends, K) ->
    spawn(fun() -> counters:add(Ends, 1, 1) end),
    spawn_counted(Ends, K - 1).

counted_to(Ends, Target) ->
    case counters:get(Ends, 1) < Target of
        true -> erlang:yield(), counted_to(Ends, Target);
        false -> ok
    end.

spawn_chain(N) ->
    Parent = self(),
    spawn(fun() -> chain(1, N, Parent) end),
    receive {depth, Depth} -> Depth end.

chain(N, N, Parent) -> Parent ! {depth, N};
chain(Depth, N, Parent) -> spawn(fun() -> chain(Depth + 1, N, Parent) end).

spawn_parallel(N, K) ->
    Ends = counters:new(1, [write_concurrency]),
    side_by_side(K, fun(_) -> spawn_yielding(Ends, N) end),
    counted_to(Ends, N * K),
    counters:get(Ends, 1).

spawn_yielding(_, 0) -> 0;
spawn_yielding(Ends, N) ->
    spawn_counted(Ends, 100),
    erlang:yield(),
    spawn_yielding(Ends, N - 100).

spawn_monitored(0, Downs) -> Downs;
spawn_monitored(N, Downs) ->
    {_, Monitor} = spawn_monitor(fun() -> ok end),
    receive {'DOWN', Monitor, process, _, _} -> spawn_monitored(N - 1, Downs + 1) end.

links(N, K) ->
    process_flag(trap_exit, true),
    sum(N, fun() ->
        [spawn_link(fun() -> ok end) || _ <- lists:seq(1, K)],
        sum(K, fun() -> receive {'EXIT', _, _} -> 1 end end, 0)
    end, 0).

skynet(N, K) ->
    Parent = self(),
    spawn(fun() -> node(0, N, K, Parent) end),
    receive {sum, Sum} -> Sum end.

node(Number, 1, _, Parent) -> Parent ! {sum, Number};
node(Number, Leaves, K, Parent) ->
    Below = Leaves div K,
    Me = self(),
    [spawn(fun() -> node(Number + Child * Below, Below, K, Me) end) || Child <- lists:seq(0, K - 1)],
    Parent ! {sum, gather(K)}.

%% Servers.

start_stop(0, Done) -> Done;
start_stop(N, Done) ->
    {ok, Server} = bench_adder:start(),
    ok = gen_server:stop(Server),
    start_stop(N - 1, Done + 1).

child_start_stop(_, 0, Done) -> Done;
child_start_stop(Jobs, N, Done) ->
    {ok, Server} = supervisor:start_child(Jobs, []),
    ok = supervisor:terminate_child(Jobs, Server),
    child_start_stop(Jobs, N - 1, Done + 1).

calls(N, Words, Limit) ->
    {ok, Server} = bench_adder:start(),
    Sum = calls_to(Server, N, Words, Limit, 0),
    ok = gen_server:stop(Server),
    Sum.

calls_to(_, 0, _, _, Sum) -> Sum;
calls_to(Server, N, Words, Limit, Sum) ->
    calls_to(Server, N - 1, Words, Limit, Sum + gen_server:call(Server, {add, Words}, Limit)).

casts(N, Burst, Words) ->
    {ok, Server} = bench_adder:start(),
    bursts(Server, N div Burst, Burst, Words),
    Sum = gen_server:call(Server, get, infinity),
    ok = gen_server:stop(Server),
    Sum.

bursts(_, 0, _, _) -> ok;
bursts(Server, N, Burst, Words) ->
    burst(Server, Burst, Words),
    gen_server:call(Server, get, infinity),
    bursts(Server, N - 1, Burst, Words).

burst(_, 0, _) -> ok;
burst(Server, K, Words) ->
    gen_server:cast(Server, Words),
    burst(Server, K - 1, Words).

%% Plain messages.

ping_pong(N) ->
    Me = self(),
    Pong = spawn(fun() -> pong(Me, N) end),
    sum(N, fun() -> Pong ! {ping, 1}, receive {pong, Word} -> Word end end, 0).

pong(_, 0) -> ok;
pong(Peer, N) -> receive {ping, Word} -> Peer ! {pong, Word}, pong(Peer, N - 1) end.

fan_in(N, K) ->
    Me = self(),
    Each = N div K,
    [spawn(fun() -> send(Me, Each) end) || _ <- lists:seq(1, K)],
    sum(Each * K, fun() -> receive {add, Word} -> Word end end, 0).

send(_, 0) -> ok;
send(Receiver, N) -> Receiver ! {add, 1}, send(Receiver, N - 1).

fan_out(N, K) ->
    Parent = self(),
    Add = fun() -> receive {add, Word} -> Word end end,
    Receivers = [spawn(fun() -> Parent ! {sum, sum(N, Add, 0)} end) || _ <- lists:seq(1, K)],
    round_robin(Receivers, N),
    gather(K).

round_robin(_, 0) -> ok;
round_robin(Receivers, N) ->
    [Receiver ! {add, 1} || Receiver <- Receivers],
    round_robin(Receivers, N - 1).

ring(N, K, Tokens) ->
    Parent = self(),
    Nodes = list_to_tuple([spawn(fun() -> ring_node(Parent) end) || _ <- lists:seq(1, K)]),
    [element(I, Nodes) ! {next, element(I rem K + 1, Nodes)} || I <- lists:seq(1, K)],
    {Wall, Cpu} = {wall(), cpu()},
    [element(Token * K div Tokens + 1, Nodes) ! {hop, N div Tokens}
     || Token <- lists:seq(0, Tokens - 1)],
    [receive done -> ok end || _ <- lists:seq(1, Tokens)],
    Taken = {N div Tokens * Tokens, wall() - Wall, cpu() - Cpu},
    [exit(element(I, Nodes), kill) || I <- lists:seq(1, K)],
    Taken.

ring_node(Parent) -> receive {next, Next} -> ring_node(Parent, Next) end.

ring_node(Parent, Next) ->
    receive
        {hop, 0} -> Parent ! done;
        {hop, Left} -> Next ! {hop, Left - 1}
    end,
    ring_node(Parent, Next).

relays(N, K, Bytes) ->
    Parent = self(),
    Relays = list_to_tuple([spawn(fun() -> relay(Parent) end) || _ <- lists:seq(1, K)]),
    [element(I, Relays) ! {next, element(I rem K + 1, Relays)} || I <- lists:seq(1, K)],
    Words = setelement(1, words(Bytes), 0),
    [element(I rem K + 1, Relays) ! {carry, N, Words} || I <- lists:seq(0, 99)],
    Sum = gather(100),
    [exit(element(I, Relays), kill) || I <- lists:seq(1, K)],
    Sum.

relay(Parent) -> receive {next, Next} -> relay(Parent, Next) end.

relay(Parent, Next) ->
    receive
        {carry, 0, Words} -> Parent ! {sum, element(1, Words)};
        {carry, Left, Words} ->
            Next ! {carry, Left - 1, setelement(1, Words, element(1, Words) + 1)}
    end,
    relay(Parent, Next).

%% Games.

big(N, K) ->
    Parent = self(),
    Peers = list_to_tuple([spawn(fun() -> big_actor(I, N, Parent) end) || I <- lists:seq(0, K - 1)]),
    [element(I, Peers) ! {peers, Peers} || I <- lists:seq(1, K)],
    Sum = gather(K),
    [exit(element(I, Peers), kill) || I <- lists:seq(1, K)],
    Sum.

big_actor(Index, N, Parent) ->
    receive {peers, Peers} -> big_actor(Peers, big_ping(Peers, dice(Index)), 0, N, Parent) end.

big_actor(Peers, Dice, Pongs, N, Parent) ->
    receive
        {ping, From} ->
            From ! pong,
            big_actor(Peers, Dice, Pongs, N, Parent);
        pong when Pongs + 1 =:= N ->
            Parent ! {sum, N},
            big_actor(Peers, Dice, N, N, Parent);
        pong ->
            big_actor(Peers, big_ping(Peers, Dice), Pongs + 1, N, Parent)
    end.

big_ping(Peers, Dice) ->
    {Peer, Next} = below(Dice, tuple_size(Peers)),
    element(Peer + 1, Peers) ! {ping, self()},
    Next.

ubench(N, K, M) ->
    Parent = self(),
    Hops = N div (K * M),
    Pingers = list_to_tuple([spawn(fun() -> pinger(I, Hops, Parent) end) || I <- lists:seq(0, K - 1)]),
    [element(I, Pingers) ! {peers, Pingers} || I <- lists:seq(1, K)],
    [element(I, Pingers) ! {ping, Hops} || I <- lists:seq(1, K), _ <- lists:seq(1, M)],
    Sum = gather(K * M),
    [exit(element(I, Pingers), kill) || I <- lists:seq(1, K)],
    Sum.

pinger(Index, Hops, Parent) ->
    receive {peers, Peers} -> pinger(Peers, dice(Index), Hops, Parent) end.

pinger(Peers, Dice, Hops, Parent) ->
    receive
        {ping, 0} ->
            Parent ! {sum, Hops},
            pinger(Peers, Dice, Hops, Parent);
        {ping, Left} ->
            {Peer, Next} = below(Dice, tuple_size(Peers)),
            element(Peer + 1, Peers) ! {ping, Left - 1},
            pinger(Peers, Next, Hops, Parent)
    end.

chameneos(N, K) ->
    Place = self(),
    [spawn(fun() -> creature(Colour rem 3, 0, Place) end) || Colour <- lists:seq(0, K - 1)],
    meet(N, none),
    sum(K, fun() -> told() end, 0).

creature(Colour, Meetings, Place) ->
    Place ! {come, Colour, self()},
    receive
        over -> Place ! {told, Meetings};
        Colour -> creature(Colour, Meetings + 1, Place);
        Other -> creature(3 - Colour - Other, Meetings + 1, Place)
    end.

meet(0, none) -> ok;
meet(N, none) ->
    receive {come, Colour, Creature} -> meet(N, {Colour, Creature}) end;
meet(N, {OtherColour, Other}) ->
    receive
        {come, Colour, Creature} ->
            Other ! Colour,
            Creature ! OtherColour,
            meet(N - 1, none)
    end.

told() ->
    receive
        {come, _, Creature} -> Creature ! over, told();
        {told, Meetings} -> Meetings
    end.

bank(N, K, Tellers) ->
    Accounts = list_to_tuple([element(2, bench_account:start(N)) || _ <- lists:seq(1, K)]),
    Teller = fun(I) -> teller(Accounts, K, dice(I - 1), N div Tellers, 0) end,
    Moved = side_by_side(Tellers, Teller),
    [gen_server:stop(element(I, Accounts)) || I <- lists:seq(1, K)],
    Moved.

teller(_, _, _, 0, Moved) -> Moved;
teller(Accounts, K, Dice0, N, Moved) ->
    {Source, Dice1} = below(Dice0, K - 1),
    {More, Dice2} = below(Dice1, K - 1 - Source),
    Order = {transfer, element(Source + 1 + More + 1, Accounts)},
    One = gen_server:call(element(Source + 1, Accounts), Order),
    teller(Accounts, K, Dice2, N - 1, Moved + One).

sieve(N, K) ->
    Parent = self(),
    First = spawn(fun() -> filter([], 0, K, none, Parent) end),
    numbers(2, N, First),
    First ! {last, 0},
    receive {sum, Sum} -> Sum end.

numbers(N, N, _) -> ok;
numbers(Number, N, First) -> First ! {number, Number}, numbers(Number + 1, N, First).

%% Primes are asked in the order in which they were found, as elsewhere.
filter(Primes, Count, K, Next, Parent) ->
    receive
        {number, Number} ->
            case divided(Number, Primes) of
                true -> filter(Primes, Count, K, Next, Parent);
                false when Count < K ->
                    filter(Primes ++ [Number], Count + 1, K, Next, Parent);
                false when Next =:= none ->
                    New = spawn(fun() -> filter([], 0, K, none, Parent) end),
                    New ! {number, Number},
                    filter(Primes, Count, K, New, Parent);
                false ->
                    Next ! {number, Number},
                    filter(Primes, Count, K, Next, Parent)
            end;
        {last, Before} when Next =:= none -> Parent ! {sum, Before + Count};
        {last, Before} -> Next ! {last, Before + Count}
    end.

divided(_, []) -> false;
divided(Number, [Prime | _]) when Number rem Prime =:= 0 -> true;
divided(Number, [_ | Primes]) -> divided(Number, Primes).

philosophers(N, K) ->
    {ok, Waiter} = bench_waiter:start(K),
    Meals = side_by_side(K, fun(I) -> philosopher(Waiter, I - 1, N) end),
    ok = gen_server:stop(Waiter),
    N = Meals div K,
    Meals.

philosopher(Waiter, Seat, N) ->
    sum(N, fun() -> meal(Waiter, Seat) end, 0).

meal(Waiter, Seat) ->
    case gen_server:call(Waiter, {hungry, Seat}) of
        true -> gen_server:cast(Waiter, {full, Seat}), 1;
        false -> erlang:yield(), meal(Waiter, Seat)
    end.

%% Timers, latency, memory.

timer_cancel(0, Cancelled) -> Cancelled;
timer_cancel(N, Cancelled) ->
    Timer = erlang:send_after(5000, self(), timeout),
    case erlang:cancel_timer(Timer) of
        false -> timer_cancel(N - 1, Cancelled);
        _ -> timer_cancel(N - 1, Cancelled + 1)
    end.

%% BEAM's timers count whole milliseconds; lateness is taken from the moment meant.
timer_fire(N) ->
    Begin = wall() + 50000000 + N * 2000,
    arm(N, Begin, dice(1)),
    latencies([receive {due, Due} -> wall() - Due end || _ <- lists:seq(1, N)]).

arm(0, _, _) -> ok;
arm(N, Begin, Dice) ->
    {Micros, Next} = below(Dice, 1000000),
    Due = Begin + Micros * 1000,
    At = erlang:convert_time_unit(Due, nanosecond, millisecond) + 1,
    erlang:send_after(At, self(), {due, Due}, [{abs, true}]),
    arm(N - 1, Begin, Next).

timer_interval(N, K) ->
    Parent = self(),
    [spawn(fun() -> Parent ! {late, ticks(N)} end) || _ <- lists:seq(1, K)],
    latencies(lists:append([receive {late, Late} -> Late end || _ <- lists:seq(1, K)])).

ticks(N) ->
    [begin
         Due = wall() + 1000000,
         receive after 1 -> ok end,
         max(0, wall() - Due)
     end || _ <- lists:seq(1, N)].

open_loop(Millis, K, Percent) ->
    Servers = list_to_tuple([element(2, bench_adder:start()) || _ <- lists:seq(1, K)]),
    Mean = 1.0e9 / (200000 * Percent / 100),
    Sent = arrivals(Servers, dice(7), Mean, wall(), 0.0, Millis * 1000000, 0),
    latencies([receive {latency, Latency} -> Latency end || _ <- lists:seq(1, Sent)]).

arrivals(_, _, _, _, At, End, Sent) when At >= End -> Sent;
arrivals(Servers, Dice0, Mean, Begin, At, End, Sent) ->
    Intended = Begin + trunc(At),
    wait_until(Intended),
    {Index, Dice1} = below(Dice0, tuple_size(Servers)),
    {Share, Dice2} = below(Dice1, 1 bsl 30),
    Me = self(),
    spawn(fun() ->
        1 = gen_server:call(element(Index + 1, Servers), {add, {1}}),
        Me ! {latency, wall() - Intended}
    end),
    Next = At - Mean * math:log(1 - Share / (1 bsl 30)),
    arrivals(Servers, Dice2, Mean, Begin, Next, End, Sent + 1).

wait_until(Intended) ->
    case wall() < Intended of
        true -> erlang:yield(), wait_until(Intended);
        false -> ok
    end.

hog() -> erlang:yield(), hog().

resident() ->
    case file:read_file("/proc/self/status") of
        {ok, Status} ->
            {match, [Kilobytes]} =
                re:run(Status, "VmRSS:\\s+(\\d+)", [{capture, all_but_first, list}]),
            list_to_integer(Kilobytes) * 1024;
        _ -> 0
    end.

bytes(N, Grow) ->
    Before = resident(),
    First = Grow(),
    Middle = resident(),
    Second = Grow(),
    After = resident(),
    %% What was made is still held here.
    true = is_list([First, Second]),
    io_lib:format("ok bytes=~b more=~b", [(Middle - Before) div N, (After - Middle) div N]).

idle(N) ->
    Ends = counters:new(1, [write_concurrency]),
    idle(Ends, N),
    counted_to(Ends, N).

idle(_, 0) -> ok;
idle(Ends, N) ->
    spawn(fun() -> counters:add(Ends, 1, 1), receive never -> ok end end),
    idle(Ends, N - 1).

servers(0, Servers) -> Servers;
servers(N, Servers) ->
    {ok, Server} = bench_adder:start(),
    servers(N - 1, [Server | Servers]).

children(_, 0) -> [];
children(Jobs, N) ->
    {ok, _} = supervisor:start_child(Jobs, []),
    children(Jobs, N - 1).

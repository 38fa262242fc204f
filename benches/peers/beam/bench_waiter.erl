%% The waiter of the benchmark philosophers: both forks, or neither.
-module(bench_waiter).
-behaviour(gen_server).
-export([start/1, init/1, handle_call/3, handle_cast/2]).

start(Seats) -> gen_server:start(?MODULE, Seats, []).

init(Seats) -> {ok, {Seats, #{}}}.

handle_call({hungry, Seat}, _From, {Seats, Taken}) ->
    Right = (Seat + 1) rem Seats,
    case Taken of
        #{Seat := _} -> {reply, false, {Seats, Taken}};
        #{Right := _} -> {reply, false, {Seats, Taken}};
        _ -> {reply, true, {Seats, Taken#{Seat => true, Right => true}}}
    end.

handle_cast({full, Seat}, {Seats, Taken}) ->
    {noreply, {Seats, maps:without([Seat, (Seat + 1) rem Seats], Taken)}}.

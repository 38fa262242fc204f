%% An account of the benchmark bank: a call inside a handler, then the answer.
-module(bench_account).
-behaviour(gen_server).
-export([start/1, init/1, handle_call/3, handle_cast/2]).

start(Balance) -> gen_server:start(?MODULE, Balance, []).

init(Balance) -> {ok, Balance}.

handle_call({credit, Amount}, _From, Balance) ->
    {reply, Amount, Balance + Amount};
handle_call({transfer, Target}, _From, Balance) ->
    {reply, gen_server:call(Target, {credit, 1}), Balance - 1}.

handle_cast(_, Balance) -> {noreply, Balance}.

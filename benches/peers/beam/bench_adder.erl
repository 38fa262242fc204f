%% The counting server and its supervisor, as OTP's design principles have them.
-module(bench_adder).
-behaviour(gen_server).
-export([start/0, start_link/0, init/1, handle_call/3, handle_cast/2]).

start() -> gen_server:start(?MODULE, [], []).
start_link() -> gen_server:start_link(?MODULE, [], []).

init([]) -> {ok, 0}.

%% A message is a tuple of so many words, the first of which is added.
handle_call({add, Words}, _From, Sum) ->
    Word = element(1, Words),
    {reply, Word, Sum + Word};
handle_call(get, _From, Sum) ->
    {reply, Sum, Sum}.

handle_cast(Words, Sum) -> {noreply, Sum + element(1, Words)}.
